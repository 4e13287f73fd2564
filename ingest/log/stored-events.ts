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
 * raw by both fields, in the months that the index names. A look-up writes nothing, so one that takes too long is repeated for half
 * as many identities. Throws StoreError.
 */
export async function findStoredEvents(lookUp: LookUp, identities: readonly Identity[]): Promise<FoundEvents> {
  const { lane, indexed } = lookUp
  const events = new IdentityMap<StoredEvent>()
  const others: Identity[] = []
  const months = new Set<number>()
  const find = async (group: readonly Identity[]) => {
    if (!indexed) return { maybe: group, rows: await lane.query(within(lookUp, storedEvents), { identities: textOf(group) }), monthsFound: [] }
    const [found] = await lane.query(within(lookUp, indexedIdentities), { identities: textOf(group) })
    const hashes = new Set(found?.hashes)
    const maybe = group.filter(([projectId, eventId]) => hashes.has(hashIdentity(projectId, eventId)))
    const monthsFound = found?.months ?? []
    const rows = maybe.length === 0 ? [] : await lane.query(within(lookUp, storedEventsOfMonths), { identities: textOf(maybe), months: monthsFound })
    return { maybe, rows, monthsFound }
  }
  await inGroups(identities, async (group) => {
    const { maybe, rows, monthsFound } = await find(group)
    for (const { events: found, ...common } of rows) {
      for (const [projectId, eventId, value, offset, text] of found) {
        // The first event of a log counts. A second row of an identity can only be the same event, written again while its range
        // was reconciled.
        const known = events.get(projectId, eventId)
        if (known === undefined || offset < known.offset) events.set(projectId, eventId, { ...common, value, text, offset })
      }
    }
    for (const identity of maybe) if (events.get(...identity) === undefined) others.push(identity)
    for (const month of monthsFound) months.add(month)
  })
  return { events, others: { identities: others, months: indexed ? [...months] : 'all' } }
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
 * 40,000 events takes longer than to find them. Offsets are safe integers.
 */
const storedEventsWhere = (more: string) => `
  WITH given AS (SELECT project_id, event_id FROM ${GIVEN_IDENTITIES})
  SELECT log, metric, usage_date AS usageDate, labels, correction_batch AS correctionBatch,
    groupArray((project_id, event_id, toString(value), offset, text)) AS events
  FROM raw_usage_events_v1
  PREWHERE cityHash64(event_id) IN (SELECT cityHash64(event_id) FROM given)
  WHERE (project_id, event_id) IN (SELECT project_id, event_id FROM given)${more}
  GROUP BY log, metric, usage_date, labels, correction_batch`

const StoredEventRows = z.object({
  log: z.string(),
  metric: z.string(),
  usageDate: z.string(),
  labels: z.string(),
  correctionBatch: z.string(),
  events: z.array(z.tuple([z.string(), z.string(), z.string(), z.number(), z.string()])),
})
const BARE_INTEGERS = { output_format_json_quote_64bit_integers: 0 }

const storedEvents = defineQuery({
  name: 'stored_events',
  sql: storedEventsWhere(''),
  params: z.object({ identities: z.string() }),
  row: StoredEventRows,
  settings: BARE_INTEGERS,
})

const storedEventsOfMonths = defineQuery({
  name: 'stored_events_of_months',
  sql: storedEventsWhere(' AND toYYYYMM(usage_date) IN {months: Array(UInt64)}'),
  params: z.object({ identities: z.string(), months: z.array(z.number()) }),
  row: StoredEventRows,
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
