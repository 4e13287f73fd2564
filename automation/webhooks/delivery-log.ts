import { z } from 'zod'
import { DELIVERY_DAYS_MAX, DELIVERY_LOG_DAYS, DELIVERY_STATUSES, type DeliveryStatus, TEST_EVENT } from '../../contract/webhook-events.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { OutcomeColumn, writeAttempt } from './attempts.ts'

export type LoggedDelivery = z.output<typeof DeliveryRow>

export interface DeliveryPage {
  readonly limit: number
  /** ms since 1970. */
  readonly nowMs: number
  /** Only messages with this status; undefined for all. */
  readonly status?: DeliveryStatus | undefined
  /** The last message of the page before; undefined for the first page. */
  readonly after?: { readonly createdMs: number; readonly messageId: string } | undefined
}

/** The messages of an endpoint, newest first, test messages included. Throws StoreError. */
export function readDeliveries({ registry }: ClickHouse, endpointId: string, { limit, nowMs, status, after }: DeliveryPage): Promise<LoggedDelivery[]> {
  const { createdMs: afterMs, messageId: afterId } = after ?? BEFORE_THE_NEWEST
  return registry.query(deliveriesOfEndpoint, { ...timesOf(nowMs), endpointId, limit, messageId: '', status: status ?? '', afterMs, afterId })
}

export type ResendOutcome = 'pending' | 'not_found'

/** `note` is called before the message is requested again. A message that is still pending stays so. Concurrent requests are one. Throws StoreError. */
export async function resendMessage(
  clickhouse: ClickHouse,
  { endpointId, messageId, nowMs, note }: { endpointId: string; messageId: string; nowMs: number; note: () => Promise<void> },
): Promise<ResendOutcome> {
  const { createdMs: afterMs, messageId: afterId } = BEFORE_THE_NEWEST
  const only = { ...timesOf(nowMs), endpointId, messageId, limit: 1, status: '', afterMs, afterId }
  const [known] = messageId === '' ? [] : await clickhouse.registry.query(deliveriesOfEndpoint, only)
  // A test message is stored nowhere.
  if (known === undefined || known.type === TEST_EVENT) return 'not_found'
  if (known.status === 'pending') return 'pending'
  await note()
  await writeAttempt(clickhouse, {
    ...{ endpointId, messageId, request: known.requests + 1, atMs: nowMs, outcome: 'requested', httpStatus: 0, detail: '', durationMs: 0 },
  })
  return 'pending'
}

const BEFORE_THE_NEWEST = { createdMs: Number.MAX_SAFE_INTEGER, messageId: '' }

/** Since when messages are in the log, and since when they are sent. */
function timesOf(nowMs: number) {
  return { sinceMs: nowMs - DELIVERY_LOG_DAYS * MS_PER_DAY, pendingSinceMs: nowMs - DELIVERY_DAYS_MAX * MS_PER_DAY }
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
  status: z.enum(DELIVERY_STATUSES),
  lastMs: z.coerce.number(),
  lastOutcome: OutcomeColumn.or(z.literal('')),
  lastHttpStatus: z.coerce.number(),
  lastDurationMs: z.coerce.number(),
})

/** `status` is by the same rule by which pending-messages.ts finds what is to be sent. */
const deliveriesOfEndpoint = defineQuery({
  name: 'deliveries_of_webhook',
  sql: `
    SELECT message_id AS messageId, if(sent.type = '', '${TEST_EVENT}', sent.type) AS type,
      if(sent.type = '', made.firstMs, sent.createdMs) AS createdMs, attempts, delivered, deliveredFor, requests, requestedMs,
      multiIf(
        delivered > 0 AND deliveredFor >= requests, 'delivered',
        type = '${TEST_EVENT}', 'given_up',
        greatest(createdMs, requestedMs) >= {pendingSinceMs: Int64}, 'pending',
        'given_up'
      ) AS status,
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
    WHERE createdMs >= {sinceMs: Int64} AND {status: String} IN ('', status)
      AND (createdMs < {afterMs: Int64} OR (createdMs = {afterMs: Int64} AND messageId > {afterId: String}))
    ORDER BY createdMs DESC, messageId LIMIT {limit: UInt64}`,
  params: z.object({
    ...{ endpointId: z.string(), messageId: z.string(), limit: z.number(), sinceMs: z.number(), pendingSinceMs: z.number() },
    ...{ status: z.string(), afterMs: z.number(), afterId: z.string() },
  }),
  row: DeliveryRow,
})
