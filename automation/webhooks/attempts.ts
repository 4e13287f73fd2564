import { z } from 'zod'
import { DELIVERY_OUTCOMES, type DeliveryOutcome } from '../../contract/webhook-events.ts'
import type { WebhookOutcome } from '../../outgoing/send-webhook.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/** An attempt to deliver a message, or a request to send it again (`requested`). */
export interface Attempt {
  readonly endpointId: string
  readonly messageId: string
  /** For which request it was made; 0 before a message was requested again. */
  readonly request: number
  /** ms since 1970. */
  readonly atMs: number
  readonly outcome: DeliveryOutcome
  /** 0 without an answer. */
  readonly httpStatus: number
  /** Node's error code, or the address that may not be called. Never the URL. */
  readonly detail: string
  readonly durationMs: number
}

/** Throws StoreError. */
export async function writeAttempt({ registry }: ClickHouse, attempt: Attempt): Promise<void> {
  const { endpointId, messageId, request, atMs, outcome, httpStatus, detail, durationMs } = attempt
  const fields = [endpointId, messageId, request, atMs / MS_PER_SECOND, outcome, httpStatus, detail, durationMs]
  await registry.insert({ table: 'webhook_attempts_v1', columns: ATTEMPT_COLUMNS, text: row(fields) })
}

/** What the delivery log says of an outcome. */
export function attemptOutcome(outcome: WebhookOutcome): Pick<Attempt, 'outcome' | 'httpStatus' | 'detail'> {
  // Any 2xx; which one says nothing more.
  if (outcome.status === 'delivered') return { outcome: 'delivered', httpStatus: 200, detail: '' }
  if (outcome.status === 'refused') return { outcome: 'private_address', httpStatus: 0, detail: outcome.address ?? '' }
  if (outcome.reason === 'http_status') return { outcome: 'http_status', httpStatus: outcome.httpStatus, detail: '' }
  return { outcome: outcome.reason, httpStatus: 0, detail: outcome.reason === 'no_answer' ? (outcome.code ?? '') : '' }
}

/** How the deliveries to an endpoint go. Times in ms since 1970. */
export interface EndpointHealth {
  readonly endpointId: string
  readonly lastDeliveredMs: number | null
  /** The first failure after the last success, and after the endpoint was enabled; null while it does not fail. Tests do not count: they are not repeated. */
  readonly failingSinceMs: number | null
}

/** By endpoint; one without attempts has none. Throws StoreError. */
export async function readHealth(
  { registry }: ClickHouse,
  endpoints: readonly { readonly id: string; readonly enabledMs: number }[],
): Promise<Map<string, EndpointHealth>> {
  if (endpoints.length === 0) return new Map()
  const rows = await registry.query(endpointHealth, { ids: endpoints.map(({ id }) => id), enabledMs: endpoints.map(({ enabledMs }) => enabledMs) })
  return new Map(rows.map((each) => [each.endpointId, each]))
}

/** The ids of all other messages are hashes, so none begins with it. */
export const TEST_MESSAGE_PREFIX = 'msg_test_'
const MS_PER_SECOND = 1_000
const ATTEMPT_COLUMNS = ['endpoint_id', 'message_id', 'request', 'at', 'outcome', 'http_status', 'detail', 'duration_ms']

const FAILED = "outcome IN ('http_status', 'timed_out', 'no_answer', 'private_address')"
const NO_TEST = `NOT startsWith(message_id, '${TEST_MESSAGE_PREFIX}')`
export const OutcomeColumn = z.enum(DELIVERY_OUTCOMES)

const endpointHealth = defineQuery({
  name: 'webhook_endpoint_health',
  sql: `
    SELECT endpoint_id AS endpointId, nullIf(toUnixTimestamp64Milli(any(delivered.last)), 0) AS lastDeliveredMs,
      nullIf(minIf(toUnixTimestamp64Milli(at), ${FAILED} AND ${NO_TEST} AND at > delivered.lastOfMessages AND at >= enabled.since), 0) AS failingSinceMs
    FROM webhook_attempts_v1 AS attempts
    LEFT JOIN (
      SELECT endpoint_id, maxIf(at, outcome = 'delivered') AS last, maxIf(at, outcome = 'delivered' AND ${NO_TEST}) AS lastOfMessages
      FROM webhook_attempts_v1 WHERE endpoint_id IN {ids: Array(String)} GROUP BY endpoint_id
    ) AS delivered USING endpoint_id
    LEFT JOIN (
      SELECT known.1 AS endpoint_id, fromUnixTimestamp64Milli(known.2, 'UTC') AS since
      FROM (SELECT arrayJoin(arrayZip({ids: Array(String)}, {enabledMs: Array(Int64)})) AS known)
    ) AS enabled USING endpoint_id
    WHERE endpoint_id IN {ids: Array(String)}
    GROUP BY endpoint_id`,
  params: z.object({ ids: z.array(z.string()), enabledMs: z.array(z.number()) }),
  row: z.object({ endpointId: z.string(), lastDeliveredMs: z.coerce.number().nullable(), failingSinceMs: z.coerce.number().nullable() }),
})
