import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'

/** A store as one process sees it, and its death. */
export interface MortalStore {
  readonly clickhouse: ClickHouse
  /** The process dies at its nth insert from now on, counted from 1: before it is sent, or after it is stored. */
  dieAt(nth: number, when: 'before' | 'after'): void
  kill(): void
  isDead(): boolean
  /** How many inserts the process has begun. */
  inserts(): number
}

/** The same store for a process of its own. Once it is dead, nothing that it sends arrives, and it gets no answer. */
export function mortalStore(clickhouse: ClickHouse): MortalStore {
  let inserts = 0
  let isDead = false
  let death: { readonly insert: number; readonly when: 'before' | 'after' } | undefined
  const requireLife = () => {
    if (isDead) throw new StoreError('unavailable', 'injected: the process is dead')
  }
  const living = async <T>(work: () => Promise<T>): Promise<T> => {
    requireLife()
    const result = await work()
    requireLife()
    return result
  }
  const insertInto = (lane: Lane): Lane['insert'] => {
    return async (insert) => {
      inserts += 1
      const isLast = death?.insert === inserts
      if (isLast && death?.when === 'before') isDead = true
      await living(async () => {
        await lane.insert(insert)
        if (isLast) isDead = true
      })
    }
  }
  const mortal = (lane: Lane): Lane => ({
    ...lane,
    query: (query, params) => living(() => lane.query(query, params)),
    execute: (...statement) => living(() => lane.execute(...statement)),
    command: (...command) => living(() => lane.command(...command)),
    insert: insertInto(lane),
  })
  const { control, reads, work } = clickhouse
  return {
    clickhouse: { ...clickhouse, control: mortal(control), reads: mortal(reads), work: mortal(work) },
    dieAt: (nth, when) => {
      death = { insert: inserts + nth, when }
    },
    kill: () => {
      isDead = true
    },
    isDead: () => isDead,
    inserts: () => inserts,
  }
}
