import type { ClickHouse } from '../../sql/clickhouse.ts'
import { readHealth } from '../webhooks/attempts.ts'
import { type DisabledReason, disabledOf, readEndpoints } from '../webhooks/endpoints.ts'
import { readPendingMessages } from '../webhooks/pending-messages.ts'

/** How the deliveries to a webhook go. Times in ms since 1970. */
export interface WebhookHealth {
  readonly id: string
  /** The partner that created it; empty for operators. */
  readonly setBy: string
  /** `failing`: the service has disabled it. `requested`: its owner has. `partner_disabled`: its owner is a disabled partner. */
  readonly disabled: { readonly reason: DisabledReason; readonly atMs: number } | null
  readonly failingSinceMs: number | null
  /** The messages that wait to be delivered, and since when the oldest one does. They wait while a webhook is disabled, too. */
  readonly pending: { readonly messages: number; readonly oldestMs: number } | null
}

/** All webhooks. Throws StoreError. */
export async function readWebhookHealth(clickhouse: ClickHouse, nowMs: number): Promise<WebhookHealth[]> {
  const endpoints = await readEndpoints({ clickhouse })
  const health = await readHealth(clickhouse, endpoints)
  const pending = await readPendingMessages(
    clickhouse,
    endpoints.map(({ id }) => id),
    nowMs,
  )
  return endpoints.map((endpoint) => ({
    ...{ id: endpoint.id, setBy: endpoint.setBy, disabled: disabledOf(endpoint) },
    failingSinceMs: health.get(endpoint.id)?.failingSinceMs ?? null,
    pending: pending.get(endpoint.id) ?? null,
  }))
}
