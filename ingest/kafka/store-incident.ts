import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { isFenced } from '../../sql/errors.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Incident } from './incident.ts'
import type { PartitionLog } from './partition-log.ts'
import { pause } from './wait-for-owner-timeout.ts'

export interface StoreIncidentOptions {
  readonly partitionLog: PartitionLog
  readonly incident: Incident
  readonly control: Lane
  readonly limits: { readonly retryAfterMsMax: number }
  readonly logger: Logger
  readonly assigned: AbortSignal
}

/**
 * Stores that a log is stopped, so that another process can announce it. Retries until it is stored, or until another process has the log,
 * which then meets the incident too. Never throws.
 */
export async function storeIncident({ partitionLog, incident, control, limits, logger, assigned }: StoreIncidentOptions): Promise<void> {
  const { owned, next } = partitionLog
  while (!assigned.aborted) {
    try {
      return await insertIncident(control, owned.lease, { incident, next })
    } catch (error) {
      if (isFenced(error)) return
      logger.warn({ err: error, log: owned.name }, 'the incident of the log could not be stored yet, so it is not announced')
      await pause(limits.retryAfterMsMax, assigned)
    }
  }
}

/**
 * A log that stops again before it was read beyond an earlier incident of the same kind, as after a restart, still has that incident: it
 * gets its offset, and is announced once.
 */
async function insertIncident(lane: Lane, { name: log, epoch, owner }: Lease, { incident, next }: { incident: Incident; next: number }): Promise<void> {
  const { kind, message } = incident
  const [earlier] = await lane.query(earlierIncident, { log, kind })
  await lane.insert({
    table: 'log_incidents_inbox_v1',
    columns: ['log', 'epoch', 'owner', 'kind', 'next_offset', 'message'],
    text: row([log, epoch, owner, kind, Math.max(next, earlier?.next ?? next), message]),
    tag: leaseTag(log),
  })
}

const earlierIncident = defineQuery({
  name: 'earlier_incident',
  sql: 'SELECT max(next_offset) AS next FROM log_incidents_v1 WHERE log = {log: String} AND kind = {kind: String} GROUP BY log',
  params: z.object({ log: z.string(), kind: z.string() }),
  row: z.object({ next: z.coerce.number() }),
})
