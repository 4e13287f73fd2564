import { readStoppedLogs } from '../../aggregator/health/stopped-logs.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { Announcer } from './announcer.ts'
import { readEndpoints } from './endpoints.ts'
import { type Message, messageBody, messageId } from './messages.ts'
import { recipientsOf } from './recipients.ts'

/**
 * Announces to operators each incident that stops a log, once. The processes that count events store incidents, so it makes no difference
 * which process announces them. Throws StoreError.
 */
export async function announceIncidents({ clickhouse, queue, now }: Announcer): Promise<void> {
  await queue.offer(async () => {
    const stopped = await readStoppedLogs(clickhouse)
    if (stopped.length === 0) return []
    const nowMs = now()
    const endpointIds = recipientsOf(await readEndpoints({ clickhouse }), { type: 'log.incident', partnerId: '', sinceMs: nowMs })
    if (endpointIds.length === 0) return []
    return stopped.map(({ log, kind, next, sinceMs, message }): Message => {
      const body = messageBody('log.incident', nowMs, { log, incident: kind, since: formatTimestamp(sinceMs), message })
      return { id: messageId(['log.incident', log, kind, next]), type: 'log.incident', partnerId: '', endpointIds, body, createdMs: nowMs }
    })
  })
}
