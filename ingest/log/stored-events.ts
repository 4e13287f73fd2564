import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { hashIdentity, IDENTITY_HASH_SQL } from './identity-hash.ts'
import type { LogRange } from './in-doubt-range.ts'
import { GIVEN_IDENTITIES, type Identity, IdentityMap, inGroups, type LookUp, textOf, within } from './look-up.ts'

/** What raw has stored under an identity. */
export interface StoredEvent {
  readonly metric: string
  readonly value: string
  /** YYYY-MM-DD. */
  readonly usageDate: string
  /** As they are stored: '' without any. */
  readonly labels: string
  /** The value of a metric that counts different texts; else ''. */
  readonly text: string
  /** The batch under which it was sent; '' for ordinary events. */
  readonly correctionBatch: string
  readonly log: string
  readonly offset: number
}

export interface FoundEvents {
  readonly events: IdentityMap<StoredEvent>
  /** What raw does not have, but the index, if it is complete: nearly always identities of corrections. */
  readonly others: OtherIdentities
}

export interface OtherIdentities {
  readonly identities: readonly Identity[]
  /** The months in which the index has them, as YYYYMM; 'all' without the index. */
  readonly months: readonly number[] | 'all'
}

/**
 * Finds the stored events of identities, exactly. Those with a hash that the index lacks are not stored; the others are looked up in
 * raw by both fields, in the months that the index names. Where months are expected, raw is asked first, and the index only about what
 * these months lack: of events that are sent again, it has to be asked about none. A look-up writes nothing, so one that takes too long
 * is repeated for half as many identities. Throws StoreError.
 */
export async function findStoredEvents(lookUp: LookUp, identities: readonly Identity[], monthsExpected: readonly number[] = []): Promise<FoundEvents> {
  const { lane, indexed } = lookUp
  const events = new IdentityMap<StoredEvent>()
  const others: Identity[] = []
  const months = new Set<number>()
  /** Adds the events, and returns the identities without one. */
  const findInRaw = async (group: readonly Identity[], monthsOfGroup: readonly number[] | 'all') => {
    for (const rows of await readStoredEvents(lookUp, group, monthsOfGroup)) addStoredEvents(events, rows)
    return group.filter(([projectId, eventId]) => events.get(projectId, eventId) === undefined)
  }
  await inGroups(identities, async (group) => {
    const unexpected = monthsExpected.length === 0 ? group : await findInRaw(group, monthsExpected)
    if (unexpected.length === 0) return
    if (!indexed) {
      for (const identity of await findInRaw(unexpected, 'all')) others.push(identity)
      return
    }
    const [found] = await lane.query(within(lookUp, indexedIdentities), { identities: textOf(unexpected) })
    const hashes = new Set(found?.hashes)
    const maybe = unexpected.filter(([projectId, eventId]) => hashes.has(hashIdentity(projectId, eventId)))
    if (maybe.length === 0) return
    for (const identity of await findInRaw(maybe, found?.months ?? [])) others.push(identity)
    for (const month of found?.months ?? []) months.add(month)
  })
  return { events, others: { identities: others, months: indexed ? [...months] : 'all' } }
}

function readStoredEvents(lookUp: LookUp, identities: readonly Identity[], months: readonly number[] | 'all'): Promise<StoredEventRows[]> {
  const text = textOf(identities)
  if (months === 'all') return lookUp.lane.query(within(lookUp, storedEvents), { identities: text })
  return lookUp.lane.query(within(lookUp, storedEventsOfMonths), { identities: text, months: [...months] })
}

function addStoredEvents(events: IdentityMap<StoredEvent>, rows: StoredEventRows): void {
  const { log, metric, usageDate, labels, correctionBatch } = rows
  rows.projectIds.forEach((projectId, index) => {
    const [eventId = '', value = '', text = '', offset = 0] = [rows.eventIds[index], rows.values[index], rows.texts[index], rows.offsets[index]]
    // The first event of a log counts. A second row of an identity can only be the same event, written again while its range was
    // reconciled.
    const known = events.get(projectId, eventId)
    // Field by field: a spread of `rows` takes ten times as long.
    if (known === undefined || offset < known.offset) events.set(projectId, eventId, { metric, value, usageDate, labels, text, correctionBatch, log, offset })
  })
}

export interface StoredInRange extends StoredEvent {
  readonly projectId: string
  readonly eventId: string
}

/**
 * The events of one log that raw has stored at the offsets of a range, by offset. Cheap, because raw has an index on it. Throws
 * StoreError.
 */
export async function readStoredRange(lane: Lane, log: string, { first, through }: LogRange): Promise<Map<number, StoredInRange>> {
  const rows = await lane.query(storedRange, { log, first, through })
  return new Map(rows.map((stored) => [stored.offset, stored]))
}

/**
 * The primary key limits what is read to the granules of the identities. Of these, PREWHERE compares one hash for each row, which
 * takes a third of the time of comparing both fields. The result has few rows with long lists, because to parse a row for each of
 * 40,000 events takes longer than to find them, and a list for each column, because a list for each event takes twice as long to parse.
 * Offsets are safe integers.
 */
const storedEventsWhere = (more: string) => `
  WITH given AS (SELECT project_id, event_id FROM ${GIVEN_IDENTITIES})
  SELECT log, metric, usage_date AS usageDate, labels, correction_batch AS correctionBatch, groupArray(project_id) AS projectIds,
    groupArray(event_id) AS eventIds, groupArray(toString(value)) AS values, groupArray(text) AS texts, groupArray(offset) AS offsets
  FROM raw_usage_events_v1
  PREWHERE cityHash64(event_id) IN (SELECT cityHash64(event_id) FROM given)
  WHERE (project_id, event_id) IN (SELECT project_id, event_id FROM given)${more}
  GROUP BY log, metric, usage_date, labels, correction_batch`

const StoredEventRow = z.object({
  log: z.string(),
  metric: z.string(),
  usageDate: z.string(),
  labels: z.string(),
  correctionBatch: z.string(),
  projectIds: z.array(z.string()),
  eventIds: z.array(z.string()),
  values: z.array(z.string()),
  texts: z.array(z.string()),
  offsets: z.array(z.number()),
})
type StoredEventRows = z.infer<typeof StoredEventRow>
const BARE_INTEGERS = { output_format_json_quote_64bit_integers: 0 }

const storedEvents = defineQuery({
  name: 'stored_events',
  sql: storedEventsWhere(''),
  params: z.object({ identities: z.string() }),
  row: StoredEventRow,
  settings: BARE_INTEGERS,
})

const storedEventsOfMonths = defineQuery({
  name: 'stored_events_of_months',
  sql: storedEventsWhere(' AND toYYYYMM(usage_date) IN {months: Array(UInt64)}'),
  params: z.object({ identities: z.string(), months: z.array(z.number()) }),
  row: StoredEventRow,
  settings: BARE_INTEGERS,
})

/** One row, because a row for each of 40,000 hashes would take longer to parse than to find. A hash is a safe integer. */
const indexedIdentities = defineQuery({
  name: 'indexed_identities',
  sql: `SELECT groupUniqArray(hash) AS hashes, groupUniqArray(toYYYYMM(month)) AS months FROM identity_hashes_v1
        WHERE hash IN (SELECT ${IDENTITY_HASH_SQL} FROM ${GIVEN_IDENTITIES})`,
  params: z.object({ identities: z.string() }),
  row: z.object({ hashes: z.array(z.number()), months: z.array(z.number()) }),
  settings: BARE_INTEGERS,
})

/** Filters by rank, which has an index: bitNot(offset) is 2^64-1 - offset. A minus would make the type signed. */
const storedRange = defineQuery({
  name: 'stored_range',
  sql: `SELECT project_id AS projectId, event_id AS eventId, usage_date AS usageDate, metric, toString(value) AS value, labels, text,
          correction_batch AS correctionBatch, log, offset
        FROM raw_usage_events_v1
        WHERE log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: z.object({
    projectId: z.string(),
    eventId: z.string(),
    usageDate: z.string(),
    metric: z.string(),
    value: z.string(),
    labels: z.string(),
    text: z.string(),
    correctionBatch: z.string(),
    log: z.string(),
    offset: z.coerce.number(),
  }),
  settings: { max_execution_time: 600 },
})
