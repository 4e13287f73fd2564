import { z } from 'zod'
import { DELIVERY_DAYS_MAX, DELIVERY_LOG_DAYS, TEST_EVENT } from '../../contract/webhook-events.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { OutcomeColumn, writeAttempt } from './attempts.ts'

export interface LoggedDelivery extends z.output<typeof DeliveryRow> {
  readonly status: 'pending' | 'delivered' | 'given_up'
}

/** The newest messages of an endpoint, test messages included. Throws StoreError. */
export async function readDeliveries(
  { registry }: ClickHouse,
  endpointId: string,
  { limit, nowMs }: { limit: number; nowMs: number },
): Promise<LoggedDelivery[]> {
  const rows = await registry.query(deliveriesOfEndpoint, { endpointId, limit, messageId: '', sinceMs: nowMs - DELIVERY_LOG_DAYS * MS_PER_DAY })
  return rows.map((each) => ({ ...each, status: statusOf(each, nowMs) }))
}

export type ResendOutcome = 'pending' | 'not_found'

/** `note` is called before the message is requested again. A message that is still pending stays so. Concurrent requests are one. Throws StoreError. */
export async function resendMessage(
  clickhouse: ClickHouse,
  { endpointId, messageId, nowMs, note }: { endpointId: string; messageId: string; nowMs: number; note: () => Promise<void> },
): Promise<ResendOutcome> {
  const sinceMs = nowMs - DELIVERY_LOG_DAYS * MS_PER_DAY
  const [known] = messageId === '' ? [] : await clickhouse.registry.query(deliveriesOfEndpoint, { endpointId, messageId, limit: 1, sinceMs })
  // A test message is stored nowhere.
  if (known === undefined || known.type === TEST_EVENT) return 'not_found'
  if (statusOf(known, nowMs) === 'pending') return 'pending'
  await note()
  await writeAttempt(clickhouse, {
    ...{ endpointId, messageId, request: known.requests + 1, atMs: nowMs, outcome: 'requested', httpStatus: 0, detail: '', durationMs: 0 },
  })
  return 'pending'
}

/** The same rule by which pending-messages.ts finds what is to be sent. */
function statusOf({ type, delivered, deliveredFor, requests, createdMs, requestedMs }: z.output<typeof DeliveryRow>, nowMs: number): LoggedDelivery['status'] {
  if (delivered > 0 && deliveredFor >= requests) return 'delivered'
  if (type === TEST_EVENT) return 'given_up'
  return Math.max(createdMs, requestedMs) >= nowMs - DELIVERY_DAYS_MAX * MS_PER_DAY ? 'pending' : 'given_up'
}

const DeliveryRow = z.object({
  messageId: z.string(),
  type: z.string(),
  createdMs: z.coerce.number(),
  attempts: z.coerce.number(),
  delivered: z.coerce.number(),
  deliveredFor: z.coerce.number(),
  requests: z.coerce.number(),
  requestedMs: z.coerce.number(),
  lastMs: z.coerce.number(),
  lastOutcome: OutcomeColumn.or(z.literal('')),
  lastHttpStatus: z.coerce.number(),
  lastDurationMs: z.coerce.number(),
})

const deliveriesOfEndpoint = defineQuery({
  name: 'deliveries_of_webhook',
  sql: `
    SELECT message_id AS messageId, if(sent.type = '', '${TEST_EVENT}', sent.type) AS type,
      if(sent.type = '', made.firstMs, sent.createdMs) AS createdMs, attempts, delivered, deliveredFor, requests, requestedMs,
      last.1 AS lastMs, last.2 AS lastOutcome, last.3 AS lastHttpStatus, last.4 AS lastDurationMs
    FROM (
      SELECT message_id, any(type) AS type, min(toUnixTimestamp64Milli(created_at)) AS createdMs FROM webhook_messages_v1
      WHERE has(endpoint_ids, {endpointId: String}) AND {messageId: String} IN ('', message_id) GROUP BY message_id
    ) AS sent
    FULL OUTER JOIN (
      SELECT message_id, min(toUnixTimestamp64Milli(at)) AS firstMs, countIf(outcome != 'requested') AS attempts, countIf(outcome = 'delivered') AS delivered,
        maxIf(request, outcome = 'delivered') AS deliveredFor, max(request) AS requests,
        maxIf(toUnixTimestamp64Milli(at), outcome = 'requested') AS requestedMs,
        maxIf((toUnixTimestamp64Milli(at), toString(outcome), http_status, duration_ms), outcome != 'requested') AS last
      FROM webhook_attempts_v1 WHERE endpoint_id = {endpointId: String} AND {messageId: String} IN ('', message_id) GROUP BY message_id
    ) AS made USING message_id
    WHERE createdMs >= {sinceMs: Int64}
    ORDER BY createdMs DESC, messageId LIMIT {limit: UInt64}`,
  params: z.object({ endpointId: z.string(), messageId: z.string(), limit: z.number(), sinceMs: z.number() }),
  row: DeliveryRow,
})
