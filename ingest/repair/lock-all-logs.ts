import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, currentLeaseHolder, type Lease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { HTTP_LOG } from '../http/http-log.ts'
import { findLiveOwner, findLiveReader } from '../log/watermark.ts'

export type LockedLogs = { status: 'held'; ownerships: readonly [Lease, ...Lease[]] } | { status: 'rejected'; reason: string }

/** After so long without a heartbeat an owner counts as gone. */
const OWNER_SILENCE_MS_MAX = 15_000

/**
 * Takes every event log in force that this process does not hold, so that an owner which only sleeps is refused when it wakes:
 * it must take its log anew, and that shows in `tellLost`. Refused while an owner gives signs of life. What a log's last owner
 * left in doubt stays in doubt, and is settled by the next one. Throws StoreError.
 */
export async function lockAllLogs(clickhouse: ClickHouse, held: Lease | undefined): Promise<LockedLogs> {
  const living = await findLiving(clickhouse, held)
  if (living !== undefined) return { status: 'rejected', reason: `${living} counts events. ${STOP_IT}` }
  const [http, ...partitions] = [HTTP_LOG, ...(await clickhouse.control.query(logsInForce, {})).map(({ log }) => log)]
  const first = held ?? (await take(clickhouse, http))
  if (first === undefined) return lostTo(http)
  const ownerships: [Lease, ...Lease[]] = [first]
  for (const log of partitions) {
    const taken = await take(clickhouse, log)
    if (taken === undefined) return lostTo(log)
    ownerships.push(taken)
  }
  return { status: 'held', ownerships }
}

/** The first of these logs that somebody else has taken since, undefined when all are still held. Throws StoreError. */
export async function findLostLease(clickhouse: ClickHouse, ownerships: readonly Lease[]): Promise<string | undefined> {
  for (const { log, owner } of ownerships) if ((await currentLeaseHolder(clickhouse, log)) !== owner) return log
  return undefined
}

export const STOP_IT =
  'Stop it first: `meterline ingest`, then try again; or the `meterline start` that does all, then `meterline rebuild --offline`. After a crash, wait 15 s.'

function lostTo(log: string): LockedLogs {
  return { status: 'rejected', reason: `Another process has taken the log ${log} at this moment. ${STOP_IT}` }
}

/** The http log of this very process is alive, and held. */
async function findLiving({ control }: ClickHouse, held: Lease | undefined): Promise<string | undefined> {
  const reader = await findLiveReader(control, OWNER_SILENCE_MS_MAX)
  return reader ?? (held === undefined ? findLiveOwner(control, HTTP_LOG, OWNER_SILENCE_MS_MAX) : undefined)
}

async function take(clickhouse: ClickHouse, log: string): Promise<Lease | undefined> {
  const taken = await acquireLease(clickhouse, log)
  return taken.status === 'taken' ? taken.ownership : undefined
}

/** Those of each topic's newest incarnation: the ones before were retired, and nobody takes them any more. */
const logsInForce = defineQuery({
  name: 'logs_in_force',
  sql: `SELECT concat(topic, '/', toString(newest.1), '/', toString(partition)) AS log
        FROM (SELECT topic, max((incarnation, id, partitions)) AS newest FROM topic_incarnations_v1 GROUP BY topic)
        ARRAY JOIN range(newest.3) AS partition
        ORDER BY log`,
  params: z.object({}),
  row: z.object({ log: z.string() }),
})
