import type { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { metLimit } from '../../sql/errors.ts'
import { QUERY_TEXT_BYTES_MAX, type Query } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

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

/** Identities in the order in which they were added first. */
export class IdentitySet {
  readonly list: Identity[] = []
  readonly #known = new IdentityMap<true>()

  add(projectId: string, eventId: string): void {
    if (this.#known.get(projectId, eventId) === true) return
    this.#known.set(projectId, eventId, true)
    this.list.push([projectId, eventId])
  }
}

export type Identity = readonly [projectId: string, eventId: string]

export interface LookUp {
  readonly lane: Pick<Lane, 'query'>
  /** Where the metrics are: with several shards, not on that of the log. */
  readonly catalogue: Pick<Lane, 'query'>
  /** Whether the index of identities is complete. Otherwise raw is searched for each identity: exact, but it reads most of raw. */
  readonly indexed: boolean
  /** How long one query may take. If it takes longer, the identities are looked up in smaller groups. */
  readonly secondsMax: number
}

/** The query with the time that the look-up may take. */
export function within<P extends z.ZodObject, R extends z.ZodObject>({ secondsMax }: LookUp, query: Query<P, R>): Query<P, R> {
  return { ...query, settings: { ...query.settings, max_execution_time: secondsMax } }
}

export function textOf(identities: readonly Identity[]): string {
  return identities.map((identity) => row(identity)).join('')
}

/** Runs the work for groups that fit into one statement. A group that takes too long, or reads too much, is divided, and so are those after it. */
export async function inGroups(identities: readonly Identity[], work: (group: readonly Identity[]) => Promise<void>): Promise<void> {
  let sizeMax = GROUP_IDENTITIES_MAX
  for (let first = 0; first < identities.length; ) {
    const group = takeGroup(identities, first, sizeMax)
    try {
      await work(group)
      first += group.length
    } catch (error) {
      if (group.length === 1 || !metLimit(error)) throw error
      sizeMax = Math.ceil(group.length / 2)
    }
  }
}

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
export const GIVEN_IDENTITIES = `format(TabSeparated, 'project_id String, event_id String', {identities: String})`
