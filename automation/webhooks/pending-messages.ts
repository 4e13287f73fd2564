import { z } from 'zod'
import { DELIVERY_DAYS_MAX } from '../../contract/webhook-events.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A message to send, for its newest request. */
export interface PendingMessage {
  readonly id: string
  readonly body: string
  readonly request: number
  readonly attempts: number
}

/** Those of the endpoints that have messages to be sent. It reads the messages themselves, so none can be missing. Throws StoreError. */
export async function readPendingEndpoints({ registry }: ClickHouse, endpointIds: readonly string[], nowMs: number): Promise<string[]> {
  if (endpointIds.length === 0) return []
  const pending = await registry.query(pendingEndpoints, { endpointIds: [...endpointIds], sinceMs: nowMs - DELIVERY_DAYS_MAX * MS_PER_DAY })
  return pending.map(({ endpointId }) => endpointId)
}

/** What waits for each of the endpoints, and since when the oldest message does (ms since 1970); none for one without. Throws StoreError. */
export async function readPendingMessages(
  { registry }: ClickHouse,
  endpointIds: readonly string[],
  nowMs: number,
): Promise<Map<string, { readonly messages: number; readonly oldestMs: number }>> {
  if (endpointIds.length === 0) return new Map()
  const pending = await registry.query(pendingMessages, { endpointIds: [...endpointIds], sinceMs: nowMs - DELIVERY_DAYS_MAX * MS_PER_DAY })
  return new Map(pending.map(({ endpointId, ...each }) => [endpointId, each]))
}

/**
 * The next message for an endpoint: the one with the fewest attempts, on ties the oldest. So a message that the endpoint keeps rejecting
 * does not keep the others from it. Throws StoreError.
 */
export async function readNextMessage({ registry }: ClickHouse, endpointId: string, nowMs: number): Promise<PendingMessage | undefined> {
  const [next] = await registry.query(nextMessage, { endpointIds: [endpointId], sinceMs: nowMs - DELIVERY_DAYS_MAX * MS_PER_DAY })
  return next
}

/**
 * The deliveries that are due: messages of the last days, or requested again within them, of which no attempt for the newest request has
 * succeeded. An older one is given up by time alone.
 */
const PENDING = `
    SELECT sent.endpoint_id AS endpoint_id, sent.message_id AS message_id, sent.created_at AS created_at, greatest(sent.created_at, attempts.requested_at) AS since,
      attempts.requests AS requests, attempts.failed AS failed
    FROM (
      SELECT arrayJoin(endpoint_ids) AS endpoint_id, message_id, min(created_at) AS created_at FROM webhook_messages_v1
      WHERE hasAny(endpoint_ids, {endpointIds: Array(String)}) GROUP BY endpoint_id, message_id
    ) AS sent
    LEFT JOIN (
      SELECT endpoint_id, message_id, max(request) AS requests, maxIf(at, outcome = 'requested') AS requested_at,
        maxIf(request, outcome = 'delivered') AS ended, countIf(outcome = 'delivered') AS endings,
        countIf(outcome NOT IN ('delivered', 'requested')) AS failed
      FROM webhook_attempts_v1 WHERE endpoint_id IN {endpointIds: Array(String)} GROUP BY endpoint_id, message_id
    ) AS attempts USING (endpoint_id, message_id)
    WHERE sent.endpoint_id IN {endpointIds: Array(String)} AND (attempts.endings = 0 OR attempts.ended < attempts.requests)
      AND since >= fromUnixTimestamp64Milli({sinceMs: Int64}, 'UTC')`

const Params = z.object({ endpointIds: z.array(z.string()), sinceMs: z.number() })

const pendingEndpoints = defineQuery({
  name: 'pending_webhook_endpoints',
  sql: `SELECT DISTINCT endpoint_id AS endpointId FROM (${PENDING})`,
  params: Params,
  row: z.object({ endpointId: z.string() }),
})

const pendingMessages = defineQuery({
  name: 'pending_webhook_messages',
  sql: `SELECT endpoint_id AS endpointId, count() AS messages, toUnixTimestamp64Milli(min(since)) AS oldestMs FROM (${PENDING}) GROUP BY endpoint_id`,
  params: Params,
  row: z.object({ endpointId: z.string(), messages: z.coerce.number(), oldestMs: z.coerce.number() }),
})

const nextMessage = defineQuery({
  name: 'next_webhook_message',
  sql: `
    SELECT message_id AS id, requests AS request, failed AS attempts, body
    FROM (${PENDING} ORDER BY failed, created_at, message_id LIMIT 1) AS due
    INNER JOIN (SELECT message_id, any(body) AS body FROM webhook_messages_v1 GROUP BY message_id) AS bodies USING message_id`,
  params: Params,
  row: z.object({ id: z.string(), request: z.coerce.number(), attempts: z.coerce.number(), body: z.string() }),
})
