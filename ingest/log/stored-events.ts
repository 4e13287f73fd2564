import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { defineQuery, QUERY_TEXT_BYTES_MAX, type Query } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { hashIdentity, IDENTITY_HASH_SQL } from './identity-hash.ts'
import type { LogRange } from './in-doubt-range.ts'

/** What raw has stored under an identity. */
export interface StoredEvent {
  readonly metric: string
  readonly value: string
  readonly log: string
  readonly offset: number
}

/** Keyed by both fields of an identity, never joined into one: "a-b" with "c" is not "a" with "b-c". */
export class IdentityMap<T> {
  readonly #projects = new Map<string, Map<string, T>>()

  get(projectId: string, eventId: string): T | undefined {
    return this.#projects.get(projectId)?.get(eventId)
  }

  set(projectId: string, eventId: string, value: T): void {
    const events = this.#projects.get(projectId)
    if (events === undefined) this.#projects.set(projectId, new Map([[eventId, value]]))
    else events.set(eventId, value)
  }
}

export type Identity = readonly [projectId: string, eventId: string]

export interface LookUp {
  readonly lane: Pick<Lane, 'query'>
  /** Whether the index of identities is complete. Otherwise raw is searched for each identity: exact, but it reads most of raw. */
  readonly indexed: boolean
  /** How long one query may take. If it takes longer, the identities are looked up in smaller groups. */
  readonly secondsMax: number
}

/**
 * Finds the stored events of identities, exactly. Those with a hash that the index lacks are not stored; the others are looked up in
 * raw by both fields, in the months that the index names. A look-up writes nothing, so one that takes too long is repeated for half
 * as many identities. Throws StoreError.
 */
export async function findStoredEvents({ lane, indexed, secondsMax }: LookUp, identities: readonly Identity[]): Promise<IdentityMap<StoredEvent>> {
  const stored = new IdentityMap<StoredEvent>()
  const within = <P extends z.ZodObject, R extends z.ZodObject>(query: Query<P, R>) => ({
    ...query,
    settings: { ...query.settings, max_execution_time: secondsMax },
  })
  const find = async (group: readonly Identity[]) => {
    if (!indexed) return lane.query(within(storedEvents), { identities: textOf(group) })
    const [found] = await lane.query(within(indexedIdentities), { identities: textOf(group) })
    const hashes = new Set(found?.hashes)
    const maybe = group.filter(([projectId, eventId]) => hashes.has(hashIdentity(projectId, eventId)))
    return maybe.length === 0 ? [] : lane.query(within(storedEventsOfMonths), { identities: textOf(maybe), months: found?.months ?? [] })
  }
  await inGroups(identities, async (group) => {
    for (const { log, metric, events } of await find(group)) {
      for (const [projectId, eventId, value, offset] of events) {
        // The first event of a log counts. A second row of an identity can only be the same event, written again while its range
        // was reconciled.
        const known = stored.get(projectId, eventId)
        if (known === undefined || offset < known.offset) stored.set(projectId, eventId, { log, metric, value, offset })
      }
    }
  })
  return stored
}

export interface StoredInRange extends StoredEvent {
  readonly projectId: string
  readonly eventId: string
  /** YYYY-MM-DD. */
  readonly usageDate: string
}

/**
 * The events of one log that raw has stored at the offsets of a range, by offset. Cheap, because raw has an index on it. Throws
 * StoreError.
 */
export async function readStoredRange(lane: Lane, log: string, { first, through }: LogRange): Promise<Map<number, StoredInRange>> {
  const rows = await lane.query(storedRange, { log, first, through })
  return new Map(rows.map((stored) => [stored.offset, stored]))
}

function textOf(identities: readonly Identity[]): string {
  return identities.map((identity) => row(identity)).join('')
}

/** Runs the work for groups that fit into one statement. A group that takes too long is divided, and so are those after it. */
async function inGroups(identities: readonly Identity[], work: (group: readonly Identity[]) => Promise<void>): Promise<void> {
  let sizeMax = GROUP_IDENTITIES_MAX
  for (let first = 0; first < identities.length; ) {
    const group = takeGroup(identities, first, sizeMax)
    try {
      await work(group)
      first += group.length
    } catch (error) {
      if (group.length === 1 || !isTooSlow(error)) throw error
      sizeMax = Math.ceil(group.length / 2)
    }
  }
}

function isTooSlow(error: unknown): boolean {
  return error instanceof StoreError && error.code !== undefined && TOO_SLOW_CODES.has(error.code)
}

const TOO_SLOW_CODES = new Set([
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
  241, // MEMORY_LIMIT_EXCEEDED
])
const GROUP_IDENTITIES_MAX = 50_000
const GROUP_BYTES_MAX = QUERY_TEXT_BYTES_MAX / 2
/** The longest that a character can be, in UTF-8 or escaped in a literal. */
const BYTES_PER_CHARACTER_MAX = 4

/** The text of a statement is limited. */
function takeGroup(identities: readonly Identity[], first: number, sizeMax: number): readonly Identity[] {
  let bytes = 0
  let end = first
  while (end < identities.length && end - first < sizeMax && bytes < GROUP_BYTES_MAX) {
    const [projectId = '', eventId = ''] = identities[end] ?? []
    bytes += (projectId.length + eventId.length) * BYTES_PER_CHARACTER_MAX + 8
    end += 1
  }
  return identities.slice(first, end)
}

/**
 * The identities are sent as one text of TabSeparated rows. As a list of tuples, 25,000 of them keep the parser busy for minutes,
 * and a thousand cost as much as ten thousand do this way.
 */
const GIVEN_IDENTITIES = `format(TabSeparated, 'project_id String, event_id String', {identities: String})`

/**
 * The primary key limits what is read to the granules of the identities. Of these, PREWHERE compares one hash for each row, which
 * takes a third of the time of comparing both fields. The result has few rows with long lists, because to parse a row for each of
 * 40,000 events takes longer than to find them. Offsets are safe integers.
 */
const storedEventsWhere = (more: string) => `
  WITH given AS (SELECT project_id, event_id FROM ${GIVEN_IDENTITIES})
  SELECT log, metric, groupArray((project_id, event_id, toString(value), offset)) AS events
  FROM raw_usage_events_v1
  PREWHERE cityHash64(event_id) IN (SELECT cityHash64(event_id) FROM given)
  WHERE (project_id, event_id) IN (SELECT project_id, event_id FROM given)${more}
  GROUP BY log, metric`

const StoredEventRows = z.object({
  log: z.string(),
  metric: z.string(),
  events: z.array(z.tuple([z.string(), z.string(), z.string(), z.number()])),
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
  sql: `SELECT project_id AS projectId, event_id AS eventId, usage_date AS usageDate, metric, toString(value) AS value, log, offset FROM raw_usage_events_v1
        WHERE log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: z.object({
    projectId: z.string(),
    eventId: z.string(),
    usageDate: z.string(),
    metric: z.string(),
    value: z.string(),
    log: z.string(),
    offset: z.coerce.number(),
  }),
  settings: { max_execution_time: 600 },
})
