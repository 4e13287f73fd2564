import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as pause, setImmediate as turnOfOthers } from 'node:timers/promises'
import { z } from 'zod'
import { groupedBy } from '../metering/grouped-by.ts'
import type { Lane } from './clickhouse.ts'
import { isUnavailable, StoreError, type StoreFault } from './errors.ts'
import type { Query } from './query.ts'
import { unlessWritten } from './rows-unless-written.ts'

/**
 * The parameter of a query by key, such as a project id: its SQL reads the rows of all `{keys: Array(String)}`, and each row has its key as
 * `key`.
 */
export const Keys = { keys: z.array(z.string()) }

export type KeyedParams = z.ZodObject<{ keys: z.ZodArray<z.ZodString> }>
export type KeyedRow = z.ZodObject<{ key: z.ZodString }>
/** The parameters of a call: one key, and those that all keys of a statement have in common. */
export type KeyOf<P extends KeyedParams> = Omit<z.input<P>, 'keys'> & { readonly key: string }

/** Of one statement, so that its text and its result stay small. Further keys wait for the next one. */
const KEYS_MAX = 200
/** After a statement that several calls shared, the next one waits this part of its time for the same callers to come back. */
const GATHERING_SHARE = 0.25
const GATHERING_MS_MAX = 10

/**
 * Reads the rows of one key. Calls of the same turn of the event loop share a statement of the same query with the same other parameters; while
 * it runs, further calls wait, and share the next one: it costs some milliseconds whatever it reads, and for fifty keys little more than for
 * one. A call alone waits for nobody, and every call is answered by a statement that began after it. A row reaches only the calls with its key.
 * If a shared statement fails, other than because the store does not answer, each key is read on its own: the limits and errors of a call are
 * its own. Throws StoreError.
 */
export function readByKey<P extends KeyedParams, R extends KeyedRow>(
  lane: ReadingLane,
  query: Query<P, R>,
  { key, ...params }: KeyOf<P>,
): Promise<readonly z.output<R>[]> {
  const read = async (keys: readonly string[]) => byKey(query, keys, await lane.query(query, { ...params, keys: [...keys] } as unknown as z.input<P>))
  return sharedStatement(lane, query, params, read).read(key)
}

type ReadingLane = Pick<Lane, 'query' | 'shardOfProject'>

/** The same for a query without a key: calls with the same parameters share a statement. Throws StoreError. */
export function readShared<P extends z.ZodObject, R extends z.ZodObject>(
  lane: Pick<Lane, 'query'>,
  query: Query<P, R>,
  params: z.input<P>,
): Promise<readonly z.output<R>[]> {
  const read = async () => new Map([['', await lane.query(query, params)]])
  return sharedStatement(lane, query, params, read).read('')
}

/**
 * The same, and its rows are used again while nothing is written (sql/writes.ts): they must depend on tables alone, not on the time. Not for
 * credentials: the time of the answer would tell which of them were asked for before. Throws StoreError.
 */
export function readUnlessWritten<P extends z.ZodObject, R extends z.ZodObject>(
  lane: Pick<Lane, 'query' | 'writes'>,
  query: Query<P, R>,
  params: z.input<P>,
): Promise<readonly z.output<R>[]> {
  return unlessWritten(lane, query, params, () => readShared(lane, query, params))
}

/** The same for work of several statements: calls with the same parameters share a run of it. `work` identifies it. */
export async function shareRuns<R>(lane: Pick<Lane, 'query'>, work: object, params: unknown, run: () => Promise<R>): Promise<R> {
  const [result] = await sharedStatement(lane, work, params, async () => new Map([['', [await run()]]])).read('')
  return result as R
}

function byKey<R extends { readonly key: string }>({ name }: { readonly name: string }, keys: readonly string[], rows: readonly R[]): Map<string, R[]> {
  const found = new Map<string, R[]>(keys.map((key) => [key, []]))
  for (const row of rows) {
    const ofKey = found.get(row.key)
    if (ofKey === undefined) throw new StoreError('fault', `The query ${name} returned a row of the key ${row.key}, which it was not asked for.`)
    ofKey.push(row)
  }
  return found
}

function faultOf(thrown: unknown): StoreFault | undefined {
  return thrown instanceof StoreError ? thrown.fault : undefined
}

const EXHAUSTED_MAX = 2

type Read<R> = (keys: readonly string[]) => Promise<ReadonlyMap<string, readonly R[]>>

/** By lane and query: what runs now, by the parameters that its keys have in common. */
const running = new WeakMap<object, WeakMap<object, Map<string, SharedStatement<unknown>>>>()

function sharedStatement<R>(lane: ReadingLane, query: object, params: unknown, read: Read<R>): SharedStatement<R> {
  const ofLane = running.get(lane) ?? new WeakMap<object, Map<string, SharedStatement<unknown>>>()
  running.set(lane, ofLane)
  const ofQuery = ofLane.get(query) ?? new Map<string, SharedStatement<unknown>>()
  ofLane.set(query, ofQuery)
  const id = JSON.stringify(params)
  const known = ofQuery.get(id) as SharedStatement<R> | undefined
  if (known !== undefined) return known
  const added = new SharedStatement(read, { shardOf: lane.shardOfProject, ended: () => ofQuery.delete(id) })
  ofQuery.set(id, added as SharedStatement<unknown>)
  return added
}

interface Call<R> {
  /** Runs a function as part of what called, so that a statement is in the trace of a request that waits for it. */
  readonly inContext: ReturnType<typeof AsyncLocalStorage.snapshot>
  readonly resolve: (rows: readonly R[]) => void
  readonly reject: (reason: unknown) => void
}

/** One query with its parameters: what runs, and the calls that wait for the next statement. */
class SharedStatement<R> {
  readonly #read: Read<R>
  readonly #shardOf: Lane['shardOfProject']
  readonly #ended: () => void
  readonly #waiting = new Map<string, Call<R>[]>()
  #isRunning = false

  constructor(read: Read<R>, { shardOf, ended }: { readonly shardOf: Lane['shardOfProject']; readonly ended: () => void }) {
    this.#read = read
    this.#shardOf = shardOf
    this.#ended = ended
  }

  read(key: string): Promise<readonly R[]> {
    return new Promise((resolve, reject) => {
      const call = { inContext: AsyncLocalStorage.snapshot(), resolve, reject }
      const ofKey = this.#waiting.get(key)
      if (ofKey === undefined) this.#waiting.set(key, [call])
      else ofKey.push(call)
      if (!this.#isRunning) void this.#runAll()
    })
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true
    await turnOfOthers()
    while (this.#waiting.size > 0) {
      const taken = new Map([...this.#waiting].slice(0, KEYS_MAX))
      for (const key of taken.keys()) this.#waiting.delete(key)
      const calls = [...taken.values()].flat()
      const startedMs = performance.now()
      await calls[0]?.inContext(() => this.#answer(taken))
      if (calls.length > 1 && this.#waiting.size < KEYS_MAX) await pause(Math.min((performance.now() - startedMs) * GATHERING_SHARE, GATHERING_MS_MAX))
    }
    this.#ended()
  }

  async #answer(taken: ReadonlyMap<string, readonly Call<R>[]>): Promise<void> {
    try {
      const found = await this.#read([...taken.keys()])
      for (const [key, calls] of taken) for (const { resolve } of calls) resolve(found.get(key) ?? [])
    } catch (thrown) {
      const ofShards = isUnavailable(thrown) ? this.#byShard(taken) : []
      if (ofShards.length > 1) await Promise.all(ofShards.map((ofShard) => this.#answer(ofShard)))
      else if (taken.size === 1 || isUnavailable(thrown)) for (const { reject } of [...taken.values()].flat()) reject(thrown)
      else await this.#answerEach(taken)
    }
  }

  /** A shard that does not answer must not take those with it whose keys shared its statement. */
  #byShard(taken: ReadonlyMap<string, readonly Call<R>[]>): ReadonlyMap<string, readonly Call<R>[]>[] {
    const shardOf = this.#shardOf
    if (shardOf === undefined) return []
    return [...groupedBy(taken, ([key]) => shardOf(key)).values()].map((ofShard) => new Map(ofShard))
  }

  /** Two that take too long say that the machine is busy, and not that a key is large: the others are rejected, and may be sent again. */
  async #answerEach(taken: ReadonlyMap<string, readonly Call<R>[]>): Promise<void> {
    let [exhausted, reason]: [number, unknown] = [0, undefined]
    for (const [key, calls] of taken) {
      if (exhausted < EXHAUSTED_MAX) {
        try {
          const rows = (await this.#read([key])).get(key) ?? []
          for (const { resolve } of calls) resolve(rows)
          continue
        } catch (thrown) {
          if (isUnavailable(thrown) || faultOf(thrown) === 'exhausted') exhausted += 1
          reason = thrown
        }
      }
      for (const { reject } of calls) reject(reason)
    }
  }
}
