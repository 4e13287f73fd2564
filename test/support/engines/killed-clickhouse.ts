import type { ClickHouse, Insert, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'

/** What a process that is killed at a statement leaves of it: nothing, all of it, or, if it is an insert, all of it only later. */
export const KILLS = ['before', 'after', 'late'] as const
export type Kill = (typeof KILLS)[number]

export interface KilledClickHouse {
  readonly clickhouse: ClickHouse
  readonly isDead: () => boolean
  /** Whether its user goes on after the fault. */
  readonly survives: boolean
  /** Sends the inserts that were in flight when the process was killed. Returns how many of them were stored. */
  sendLate(): Promise<number>
}

class Killed extends Error {}

/** The same store, whose nth statement fails without a kill, before it is sent or after it was carried out. Those after it work. */
export function failAt(clickhouse: ClickHouse, nth: number, isSent: boolean): KilledClickHouse {
  let statements = 0
  return wrap(clickhouse, async (work) => {
    statements += 1
    if (statements !== nth) return work()
    if (isSent) await work()
    throw new StoreError('unavailable', 'injected: failed')
  })
}

/** The same store, whose user is killed at its nth statement: that and every later one throws. */
export function killAt(clickhouse: ClickHouse, nth: number, kill: Kill): KilledClickHouse {
  let statements = 0
  let dead = false
  const late: InFlight[] = []
  const run = async <T>(work: () => Promise<T>, inFlight?: InFlight): Promise<T> => {
    if (dead) throw new Killed()
    statements += 1
    if (statements !== nth) return work()
    dead = true
    if (kill === 'after') await work()
    if (kill === 'late' && inFlight !== undefined) late.push(inFlight)
    throw new Killed()
  }
  const sendLate = async () => {
    const sent = await Promise.allSettled(late.splice(0).map(({ lane, insert }) => lane.insert(insert)))
    return sent.filter(({ status }) => status === 'fulfilled').length
  }
  return { ...wrap(clickhouse, run), survives: false, isDead: () => dead, sendLate }
}

interface InFlight {
  readonly lane: Lane
  readonly insert: Insert
}

function wrap(clickhouse: ClickHouse, run: <T>(work: () => Promise<T>, inFlight?: InFlight) => Promise<T>): KilledClickHouse {
  const wrapped = (lane: Lane): Lane => ({
    ...lane,
    query: (query, params) => run(() => lane.query(query, params)),
    execute: (...statement) => run(() => lane.execute(...statement)),
    insert: (insert) => run(() => lane.insert(insert), { lane, insert }),
    command: (...statement) => run(() => lane.command(...statement)),
  })
  const { control, reads, registry, work } = clickhouse
  const lanes = { control: wrapped(control), reads: wrapped(reads), registry: wrapped(registry), work: wrapped(work) }
  return { clickhouse: { ...clickhouse, ...lanes }, survives: true, isDead: () => false, sendLate: async () => 0 }
}
