import { z } from 'zod'
import { CORRECTION_ACTIONS, type CorrectionAction } from '../../metering/correction.ts'
import { WINDOW_ACTIONS, type WindowAction } from '../../metering/window-record.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { LogRange } from './in-doubt-range.ts'
import { GIVEN_IDENTITIES, type Identity, IdentityMap, inGroups, type LookUp, textOf, within } from './look-up.ts'
import type { OtherIdentities } from './stored-events.ts'

/** What is stored under the identity of a correction. */
export interface StoredCorrection {
  readonly corrects: string
  readonly action: CorrectionAction | WindowAction
  readonly value: string
  /** The batch that this record closed or reverted; '' for a correction of one event. */
  readonly batch: string
  readonly log: string
  readonly offset: number
}

/** Finds the stored corrections of identities, exactly. Throws StoreError. */
export async function findStoredCorrections(lookUp: LookUp, { identities, months }: OtherIdentities): Promise<IdentityMap<StoredCorrection>> {
  const stored = new IdentityMap<StoredCorrection>()
  await inGroups(identities, async (group) => {
    const rows = await lookUp.lane.query(within(lookUp, storedCorrections), { identities: textOf(group), months: months === 'all' ? [] : [...months] })
    for (const { projectId, eventId, ...correction } of rows) stored.set(projectId, eventId, correction)
  })
  return stored
}

/** The state of an event after its latest correction up to some place. */
export interface Corrected {
  readonly revision: number
  readonly action: CorrectionAction
  readonly value: string
  /** Every record of the log at this offset or a later one is after it. */
  readonly fromOffset: number
}

/** The events whose corrections are needed, the months in which raw has them, and the first record of the log that corrects one. */
export interface CorrectedEvents {
  readonly identities: readonly Identity[]
  /** As YYYYMM. */
  readonly months: readonly number[]
  readonly log: string
  readonly offset: number
}

/**
 * The corrections of events: one for all that are before the offset in the log, or in another log, whose source was in force earlier; and
 * each later one, which is stored already while a range is reconciled. Throws StoreError.
 */
export async function findCorrected(lookUp: LookUp, { identities, months, log, offset }: CorrectedEvents): Promise<IdentityMap<Corrected[]>> {
  const corrected = new IdentityMap<Corrected[]>()
  await inGroups(identities, async (group) => {
    const rows = await lookUp.lane.query(within(lookUp, latestCorrections), { identities: textOf(group), months: [...months], log, offset })
    for (const { projectId, eventId, ...state } of rows) corrected.set(projectId, eventId, [...(corrected.get(projectId, eventId) ?? []), state])
  })
  return corrected
}

/** The metrics whose events have no decimal value: each counts 1, or has a text. Throws StoreError. */
export async function findNotAmendable(lane: Pick<Lane, 'query'>): Promise<ReadonlySet<string>> {
  return new Set((await lane.query(notAmendable, {})).map(({ metric }) => metric))
}

/** A correction of a log, with all that must be the same when its record is read again. */
export interface CorrectionInRange extends StoredCorrection {
  readonly projectId: string
  readonly eventId: string
}

/** The corrections that one log has stored at the offsets of a range, by offset. Throws StoreError. */
export async function readCorrectionsOfRange(lane: Lane, log: string, { first, through }: LogRange): Promise<Map<number, CorrectionInRange>> {
  const rows = await lane.query(correctionsOfRange, { log, first, through })
  return new Map(rows.map((stored) => [stored.offset, stored]))
}

const BARE_INTEGERS = { output_format_json_quote_64bit_integers: 0 }
const Stored = z.object({
  projectId: z.string(),
  eventId: z.string(),
  corrects: z.string(),
  action: z.enum([...CORRECTION_ACTIONS, ...WINDOW_ACTIONS]),
  value: z.string(),
  batch: z.string(),
  log: z.string(),
  offset: z.number(),
})
const STORED = 'project_id AS projectId, event_id AS eventId, corrects, action, toString(value) AS value, correction_batch AS batch, log, offset'
const IN_MONTHS = '(empty({months: Array(UInt64)}) OR toYYYYMM(usage_date) IN {months: Array(UInt64)})'

/** The many rows of a closed batch have one identity and one offset. */
const storedCorrections = defineQuery({
  name: 'stored_corrections',
  sql: `
    WITH given AS (SELECT project_id, event_id FROM ${GIVEN_IDENTITIES})
    SELECT ${STORED} FROM usage_corrections_v1
    PREWHERE cityHash64(event_id) IN (SELECT cityHash64(event_id) FROM given)
    WHERE (project_id, event_id) IN (SELECT project_id, event_id FROM given) AND ${IN_MONTHS}
    LIMIT 1 BY project_id, event_id`,
  params: z.object({ identities: z.string(), months: z.array(z.number()) }),
  row: Stored,
  settings: BARE_INTEGERS,
})

/** An event may have any number of corrections; of those before the offset only the latest one is needed. */
const latestCorrections = defineQuery({
  name: 'latest_corrections',
  sql: `
    WITH given AS (SELECT project_id, event_id FROM ${GIVEN_IDENTITIES})
    SELECT project_id AS projectId, corrects AS eventId,
      if(log = {log: String} AND offset >= {offset: UInt64}, offset + 1, 0) AS fromOffset,
      max(usage_corrections_v1.revision) AS revision, argMax(usage_corrections_v1.action, usage_corrections_v1.revision) AS action, toString(argMax(usage_corrections_v1.value, usage_corrections_v1.revision)) AS value
    FROM usage_corrections_v1
    WHERE (project_id, corrects) IN (SELECT project_id, event_id FROM given) AND ${IN_MONTHS}
    GROUP BY project_id, corrects, fromOffset`,
  params: z.object({ identities: z.string(), months: z.array(z.number()), log: z.string(), offset: z.number() }),
  row: z.object({
    projectId: z.string(),
    eventId: z.string(),
    fromOffset: z.number(),
    revision: z.number(),
    action: z.enum(CORRECTION_ACTIONS),
    value: z.string(),
  }),
  settings: BARE_INTEGERS,
})

const notAmendable = defineQuery({
  name: 'not_amendable_metrics',
  sql: `SELECT metric FROM metrics_v1 FINAL WHERE kind IN ('count', 'unique')`,
  params: z.object({}),
  row: z.object({ metric: z.string() }),
})

const correctionsOfRange = defineQuery({
  name: 'corrections_of_range',
  sql: `SELECT ${STORED} FROM usage_corrections_v1
        WHERE log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})
        LIMIT 1 BY rank`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: Stored,
  settings: { ...BARE_INTEGERS, max_execution_time: 600 },
})
