import { z } from 'zod'
import { CORRECTION_ACTIONS } from '../../metering/correction.ts'
import { dayAfter } from '../../metering/period.ts'
import { CORRECTIONS_PER_WINDOW_MAX, WINDOW_ACTIONS, type WindowRecord } from '../../metering/window-record.ts'
import { tookTooMuch } from '../../sql/errors.ts'
import { defineQuery } from '../../sql/query.ts'
import { GIVEN_IDENTITIES, type Identity, IdentityMap, type LookUp, textOf, within } from './look-up.ts'

/** What is stored of a window before some place of the log. */
export interface StoredWindow {
  readonly events: readonly EventOfWindow[]
  /** The records of the project that closed or reverted a batch. */
  readonly batches: readonly BatchRecord[]
  /** The greatest number of those records; 0 before the first. */
  readonly lastNumber: number
  /** Whether its events are more than can be read. */
  readonly isTooLarge: boolean
}

export interface EventOfWindow {
  readonly eventId: string
  readonly usageDate: string
  readonly labels: string
  /** As it was sent. */
  readonly value: string
  readonly correctionBatch: string
  /** The event after each of its corrections, in their order. */
  readonly states: readonly WindowState[]
}

export interface WindowState {
  readonly revision: number
  readonly action: (typeof CORRECTION_ACTIONS)[number]
  readonly value: string
  /** The identity of the record that made the correction. */
  readonly recordId: string
}

export type BatchRecord = z.output<typeof BatchRow>

/** A place of a log. What is before it: smaller offsets, and all of other logs, whose sources were in force before. */
interface Place {
  readonly log: string
  readonly offset: number
}

/** The events that a record which closes or reverts a batch may change, and the records of batches before it. Throws StoreError. */
export async function findWindow(lookUp: LookUp, { window, log, offset }: Place & { readonly window: WindowRecord }): Promise<StoredWindow> {
  const { projectId, metric, batch, action, from, to } = window
  const place = { projectId, log, offset }
  const batches = await lookUp.lane.query(within(lookUp, batchRecords), place)
  const lastNumber = Math.max(0, ...batches.map(({ number }) => number))
  const query = action === 'close' ? eventsToClose : eventsToRevert
  const params = { ...place, metric, batch, from, end: dayAfter(to), closing: `close-${batch}` }
  // Were this thrown, a partition would read the record again and again, and count nothing after it.
  const rows = await lookUp.lane.query(within(lookUp, query), params).catch((thrown: unknown) => {
    if (tookTooMuch(thrown)) return undefined
    throw thrown
  })
  if (rows === undefined) return { events: [], batches, lastNumber, isTooLarge: true }
  const events = rows.map(({ states, ...event }) => ({
    ...event,
    states: states
      .map(([revision, each, value, recordId]) => ({ revision, action: each, value, recordId }))
      .sort((one, other) => one.revision - other.revision),
  }))
  return { events, batches, lastNumber, isTooLarge: false }
}

/** Those of the given batches, each with its project, that were closed before a place. Throws StoreError. */
export async function findClosedBatches(
  lookUp: LookUp,
  { batches, log, offset }: Place & { readonly batches: readonly Identity[] },
): Promise<IdentityMap<true>> {
  const closed = new IdentityMap<true>()
  for (const { projectId, batch } of await lookUp.lane.query(within(lookUp, closedBatches), { identities: textOf(batches), log, offset }))
    closed.set(projectId, batch, true)
  return closed
}

const BARE_INTEGERS = { output_format_json_quote_64bit_integers: 0 }
const BEFORE = '(log != {log: String} OR rank > bitNot({offset: UInt64}))'
const PlaceParams = z.object({ projectId: z.string(), log: z.string(), offset: z.number() })

const BatchRow = z.object({
  batch: z.string(),
  action: z.enum(WINDOW_ACTIONS),
  number: z.number(),
  metric: z.string(),
  from: z.string(),
  to: z.string(),
})

/** They have an empty `corrects`, which the primary key finds. */
const batchRecords = defineQuery({
  name: 'batch_records',
  sql: `SELECT correction_batch AS batch, action, revision AS number, metric, usage_date AS from, window_to AS to FROM usage_corrections_v1 FINAL
        WHERE project_id = {projectId: String} AND corrects = '' AND ${BEFORE}`,
  params: PlaceParams,
  row: BatchRow,
  settings: BARE_INTEGERS,
})

const closedBatches = defineQuery({
  name: 'closed_batches',
  sql: `SELECT project_id AS projectId, correction_batch AS batch FROM usage_corrections_v1
        WHERE (project_id, correction_batch) IN (SELECT project_id, event_id FROM ${GIVEN_IDENTITIES}) AND corrects = '' AND action = 'close' AND ${BEFORE}`,
  params: z.object({ identities: z.string(), log: z.string(), offset: z.number() }),
  row: z.object({ projectId: z.string(), batch: z.string() }),
})

const WindowParams = PlaceParams.extend({ metric: z.string(), batch: z.string(), from: z.string(), end: z.string(), closing: z.string() })
const WindowRow = z.object({
  eventId: z.string(),
  usageDate: z.string(),
  labels: z.string(),
  value: z.string(),
  correctionBatch: z.string(),
  states: z.array(z.tuple([z.number(), z.enum(CORRECTION_ACTIONS), z.string(), z.string()])),
})

const eventsOfWindow = (changes: string) => `
    SELECT event_id AS eventId, usage_date AS usageDate, labels, toString(sent.value) AS value, correction_batch AS correctionBatch, states
    FROM (
      SELECT event_id, usage_date, labels, value, correction_batch FROM raw_usage_events_v1 FINAL
      WHERE project_id = {projectId: String} AND metric = {metric: String} AND usage_date >= {from: Date} AND usage_date < {end: Date} AND ${BEFORE}
    ) AS sent
    LEFT JOIN (
      SELECT corrects, groupArray((revision, toString(action), toString(value), event_id)) AS states,
        argMax(toString(action), revision) AS last_action, countIf(event_id = {closing: String}) > 0 AS is_closed
      FROM usage_corrections_v1 FINAL
      WHERE project_id = {projectId: String} AND metric = {metric: String} AND usage_date >= {from: Date} AND usage_date < {end: Date} AND ${BEFORE}
      GROUP BY corrects
    ) AS corrected ON corrected.corrects = sent.event_id
    WHERE ${changes}
    ORDER BY event_id
    LIMIT ${CORRECTIONS_PER_WINDOW_MAX + 1}`

/** Those that count, and those of the batch. */
const eventsToClose = defineQuery({
  name: 'events_to_close',
  sql: eventsOfWindow(`correction_batch = {batch: String} OR if(last_action = '', correction_batch = '', last_action != 'void')`),
  params: WindowParams,
  row: WindowRow,
  settings: BARE_INTEGERS,
})

/** Those that the closing changed. */
const eventsToRevert = defineQuery({
  name: 'events_to_revert',
  sql: eventsOfWindow('is_closed'),
  params: WindowParams,
  row: WindowRow,
  settings: BARE_INTEGERS,
})
