import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { isOvertaken, StoreError } from '../../sql/errors.ts'
import { acquireLease, type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/** The source of a Meterline without Kafka, and the name of its one log. A topic is a source too, named cluster/topic. */
export const HTTP_SOURCE = 'http'

/** The lease under which the source in force is changed. */
export const SOURCE_LEASE = 'source'

/** How often a process checks whether its source is in force now. */
export const SOURCE_CHECK_EVERY_MS = 1_000

export interface SourceState {
  /** The source in force, or the one to which a switch was begun. */
  readonly source: string
  /** False while a switch has begun and not ended: then no source is in force. */
  readonly isInForce: boolean
  /** ms since 1970, by the clock of the store. */
  readonly sinceMs: number
  /** The source that was in force last. */
  readonly lastInForce: string
}

/** Events of another source are counted in this store, so this process counts none of its own. */
export class SourceNotInForce extends Error {
  constructor(source: string, { source: other, isInForce }: SourceState) {
    const why = isInForce ? `this store counts the events of ${nameOf(other)}` : `a switch of this store to ${nameOf(other)} has begun and not ended`
    super(
      `${why}, and this process is configured for ${nameOf(source)}, of which it counts nothing. To switch the store to ${nameOf(source)}, run "meterline log source use" against this process`,
    )
    this.name = 'SourceNotInForce'
  }
}

/**
 * Checks that a source is in force. In a store that has none yet, the first process claims its own. A process that counts calls it
 * after it has acquired the lease of its log: either it sees here that a switch has begun, or the switch sees the lease and acquires
 * it too, which ends this one. Throws SourceNotInForce, StoreError.
 */
export async function requireSource(clickhouse: ClickHouse, source: string): Promise<void> {
  const state = (await readSource(clickhouse.control)) ?? (await claimSource(clickhouse, source))
  if (!state.isInForce || state.source !== source) throw new SourceNotInForce(source, state)
}

/** Undefined in a store that nothing was ever counted in. Throws StoreError. */
export async function readSource(lane: Lane): Promise<SourceState | undefined> {
  const [newest] = await lane.query(newestSource, {})
  return newest && { ...newest, isInForce: newest.inForce === 1 }
}

/** Writes through the fence. Throws StoreError, with the fault `fenced` when another process has acquired the lease since. */
export async function writeSource(
  lane: Lane,
  { name: log, epoch, owner }: Lease,
  { source, isInForce }: Pick<SourceState, 'source' | 'isInForce'>,
): Promise<void> {
  await lane.insert({ table: 'sources_inbox_v1', columns: COLUMNS, text: row([log, epoch, owner, isInForce ? 1 : 0, source]), tag: leaseTag(log) })
}

const COLUMNS = ['log', 'epoch', 'owner', 'in_force', 'source']
const CLAIMS_MAX = 20
/** Processes that claim at the same time overtake each other; after pauses of different lengths one of them does not. */
const CLAIM_PAUSE_MS_MAX = 500

/** Several processes may claim at the same time: the fence lets one of them write, and the others read what it wrote. */
async function claimSource(clickhouse: ClickHouse, source: string): Promise<SourceState> {
  const { control } = clickhouse
  for (let claims = 0; claims < CLAIMS_MAX; claims += 1) {
    const outcome = await acquireLease(clickhouse, SOURCE_LEASE)
    // Read again under the lease: another process may have claimed its source since, and may be counting already.
    const state = await readSource(control)
    if (state !== undefined) return state
    if (outcome.status === 'acquired') await unlessOvertaken(writeSource(control, outcome.lease, { source, isInForce: true }))
    const written = await readSource(control)
    if (written !== undefined) return written
    await sleep(Math.random() * CLAIM_PAUSE_MS_MAX)
  }
  throw new StoreError('unavailable', `Other processes were claiming a source at the same time, ${CLAIMS_MAX} times in a row. Try again.`)
}

async function unlessOvertaken(written: Promise<void>): Promise<void> {
  try {
    await written
  } catch (error) {
    if (!isOvertaken(error)) throw error
  }
}

export function nameOf(source: string): string {
  return source === HTTP_SOURCE ? 'HTTP without Kafka' : `the topic ${source}`
}

const newestSource = defineQuery({
  name: 'newest_source',
  sql: `SELECT newest.1 AS source, newest.2 AS inForce, toUnixTimestamp64Milli(newest.3) AS sinceMs, last AS lastInForce
        FROM (
          SELECT argMax((source, in_force, changed_at), (epoch, owner, in_force)) AS newest, argMaxIf(source, (epoch, owner), in_force = 1) AS last
          FROM sources_v1 HAVING count() > 0
        )`,
  params: z.object({}),
  row: z.object({ source: z.string(), inForce: z.number(), sinceMs: z.coerce.number(), lastInForce: z.string() }),
})
