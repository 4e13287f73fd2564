import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { defineQuery, QUERY_TEXT_BYTES_MAX } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { hashIdentity, type IdentityFilter } from './identity-filter.ts'
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

/** Looks identities up in raw by its primary key: exact, and cheap by the thousand. Throws StoreError. */
export async function findStoredEvents(lane: Pick<Lane, 'query'>, identities: readonly Identity[]): Promise<IdentityMap<StoredEvent>> {
  const stored = new IdentityMap<StoredEvent>()
  for (const part of splitIdentities(identities)) {
    for (const found of await lane.query(storedEvents, { identities: part.map((identity) => row(identity)).join('') })) {
      // The first event of a log counts. A second row of an identity can only be the same event, written again while its range
      // was reconciled.
      const known = stored.get(found.projectId, found.eventId)
      if (known === undefined || found.offset < known.offset) stored.set(found.projectId, found.eventId, found)
    }
  }
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

/** The identities of the projects that belong to one of `partitions` partitions. */
export interface IdentityScope {
  readonly partition: number
  readonly partitions: number
}

/**
 * Adds every identity of the scope that raw has stored. Runs beside the writer: until it is done, every event is looked up.
 * Throws StoreError.
 */
export async function fillFilter(lane: Lane, scope: IdentityScope, filter: IdentityFilter, signal: AbortSignal): Promise<void> {
  for await (const lines of lane.lines(storedIdentities, scope)) {
    if (signal.aborted) return
    for (const line of lines) {
      if (line === '') continue
      const tab = line.indexOf('\t')
      // A server that fails in the middle of an answer ends it with an error text instead of a row.
      if (tab === -1) throw new StoreError('unavailable', 'The list of stored identities was cut off.')
      filter.add(hashIdentity(line.slice(0, tab), unescapeField(line.slice(tab + 1))))
    }
  }
  filter.complete = true
}

/** Roughly how many identities of the scope raw has stored: projects are spread over partitions by a hash. */
export async function countStored(lane: Lane, { partitions }: IdentityScope): Promise<number> {
  const { events } = await queryOne(lane, storedCount, {})
  return Math.ceil(events / partitions)
}

const LOOK_UP_BYTES_MAX = QUERY_TEXT_BYTES_MAX / 2
/** The longest that a character can be, in UTF-8 or escaped in a literal. */
const BYTES_PER_CHARACTER_MAX = 4

/** The text of a statement is limited, so many identities are looked up in several queries. */
function* splitIdentities(identities: readonly Identity[]): Generator<Identity[]> {
  let part: Identity[] = []
  let bytes = 0
  for (const identity of identities) {
    part.push(identity)
    bytes += (identity[0].length + identity[1].length) * BYTES_PER_CHARACTER_MAX + 8
    if (bytes < LOOK_UP_BYTES_MAX) continue
    yield part
    part = []
    bytes = 0
  }
  if (part.length > 0) yield part
}

/** Undoes the escapes of TabSeparated; of the escaped characters only backslash and quote can occur in an id. */
function unescapeField(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gu, '$1') : text
}

const StoredRow = z.object({
  projectId: z.string(),
  eventId: z.string(),
  metric: z.string(),
  value: z.string(),
  log: z.string(),
  offset: z.coerce.number(),
})

/**
 * The identities are sent as one text of TabSeparated rows. As a list of tuples, 25,000 of them keep the parser busy for minutes,
 * and a thousand cost as much as ten thousand do this way.
 */
const storedEvents = defineQuery({
  name: 'stored_events',
  sql: `SELECT project_id AS projectId, event_id AS eventId, metric, toString(value) AS value, log, offset FROM raw_usage_events_v1
        WHERE (project_id, event_id) IN (SELECT project_id, event_id FROM format(TabSeparated, 'project_id String, event_id String', {identities: String}))`,
  params: z.object({ identities: z.string() }),
  row: StoredRow,
})

/** Filters by rank, which has an index: bitNot(offset) is 2^64-1 - offset. A minus would make the type signed. */
const storedRange = defineQuery({
  name: 'stored_range',
  sql: `SELECT project_id AS projectId, event_id AS eventId, usage_date AS usageDate, metric, toString(value) AS value, log, offset FROM raw_usage_events_v1
        WHERE log = {log: String} AND rank >= bitNot({through: UInt64}) AND rank <= bitNot({first: UInt64})`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: StoredRow.extend({ usageDate: z.string() }),
  settings: { max_execution_time: 600 },
})

/** kafkaMurmurHash is the hash by which Kafka's Java producer chooses a partition; project-partition.ts is the same in TypeScript. */
const storedIdentities = defineQuery({
  name: 'stored_identities',
  sql: `SELECT project_id AS projectId, event_id AS eventId FROM raw_usage_events_v1
        WHERE bitAnd(kafkaMurmurHash(project_id), 2147483647) % {partitions: UInt64} = {partition: UInt64}`,
  params: z.object({ partition: z.number(), partitions: z.number() }),
  row: z.object({ projectId: z.string(), eventId: z.string() }),
  settings: { max_execution_time: 3600 },
})

const storedCount = defineQuery({
  name: 'stored_count',
  sql: 'SELECT count() AS events FROM raw_usage_events_v1',
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
})
