import { z } from 'zod'
import { type DISABLED_REASONS, WEBHOOK_EVENTS } from '../../contract/webhook-events.ts'
import type { Change, RegistryReads } from '../../registry/changes.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/** Where messages are sent. Times in ms since 1970. */
export interface Endpoint {
  readonly id: string
  readonly revision: number
  /** The partner that created it; empty for operators. */
  readonly setBy: string
  /** The only partner whose messages it gets; empty for those of all. */
  readonly partnerId: string
  readonly url: string
  readonly events: readonly string[]
  readonly createdMs: number
  /** Since when it is as it is: created, last enabled, or given another URL or one more type of messages. Earlier failures do not count. */
  readonly enabledMs: number
  /** Null while it is enabled. */
  readonly disabledMs: number | null
  /** Empty while it is enabled. */
  readonly disabledReason: '' | 'requested' | 'failing'
  readonly removedMs: number | null
  /** When the partner that created it was disabled; null while it is enabled, and for operators. It is no part of what is written. */
  readonly ownerDisabledMs: number | null
}

/** Nothing is sent to a disabled endpoint, nor to one of a disabled partner: who has stolen its secret may have added it. */
export function isEnabled({ disabledMs, ownerDisabledMs }: Pick<Endpoint, 'disabledMs' | 'ownerDisabledMs'>): boolean {
  return disabledMs === null && ownerDisabledMs === null
}

export type DisabledReason = (typeof DISABLED_REASONS)[number]

/** Why nothing is sent to an endpoint, and since when (ms since 1970); null while it is enabled. A disabled partner comes first: enabling it is what helps. */
export function disabledOf({
  disabledMs,
  disabledReason,
  ownerDisabledMs,
}: Pick<Endpoint, 'disabledMs' | 'disabledReason' | 'ownerDisabledMs'>): { readonly reason: DisabledReason; readonly atMs: number } | null {
  if (ownerDisabledMs !== null) return { reason: 'partner_disabled', atMs: ownerDisabledMs }
  return disabledMs === null || disabledReason === '' ? null : { reason: disabledReason, atMs: disabledMs }
}

/** All endpoints that are not removed, oldest first. Throws StoreError. */
export function readEndpoints({ clickhouse }: RegistryReads): Promise<Endpoint[]> {
  return clickhouse.registry.query(allEndpoints, {})
}

/** Those of a partner, or with an empty `setBy` those of operators. Throws StoreError. */
export async function listEndpoints(registry: RegistryReads, setBy: string): Promise<Endpoint[]> {
  return (await readEndpoints(registry)).filter((endpoint) => endpoint.setBy === setBy)
}

/** Also a removed one. Throws StoreError. */
export async function findEndpoint({ clickhouse }: RegistryReads, endpointId: string): Promise<Endpoint | undefined> {
  const [found] = await clickhouse.registry.query(endpointById, { endpointId })
  return found
}

export async function writeEndpoint(change: Change, endpoint: Endpoint): Promise<void> {
  const { id, revision, setBy, partnerId, url, events, createdMs, enabledMs, disabledMs, disabledReason, removedMs } = endpoint
  const fields = [id, revision, setBy, partnerId, url, textArray(events), createdMs, enabledMs, disabledMs, disabledReason, removedMs]
  await change.write('webhook_endpoints_inbox_v1', COLUMNS, (owner) => row([...owner, ...fields]))
}

/** An array as TabSeparated writes it. The names of events and ids need no escape. */
export function textArray(texts: readonly string[]): string {
  if (!texts.every((text) => /^[A-Za-z0-9_.-]*$/.test(text))) throw new RangeError('Only names and ids can be written as an array.')
  return `[${texts.map((text) => `'${text}'`).join(',')}]`
}

const COLUMNS = [
  ...['endpoint_id', 'revision', 'set_by', 'partner_id', 'url', 'events', 'created_ms', 'enabled_ms', 'disabled_ms', 'disabled_reason', 'removed_ms'],
]

const EndpointRow = z.object({
  id: z.string(),
  revision: z.coerce.number(),
  setBy: z.string(),
  partnerId: z.string(),
  url: z.string(),
  events: z.array(z.string()).transform((events) => events.filter((event) => WEBHOOK_EVENTS.some((known) => known === event))),
  createdMs: z.coerce.number(),
  enabledMs: z.coerce.number(),
  disabledMs: z.coerce.number().nullable(),
  disabledReason: z.enum(['', 'requested', 'failing']),
  removedMs: z.coerce.number().nullable(),
  ownerDisabledMs: z.coerce.number().nullable(),
})

const ENDPOINT_SELECT = `SELECT endpoint_id AS id, revision, set_by AS setBy, partner_id AS partnerId, url, events,
          toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(enabled_at) AS enabledMs,
          toUnixTimestamp64Milli(disabled_at) AS disabledMs, disabled_reason AS disabledReason, toUnixTimestamp64Milli(removed_at) AS removedMs,
          ownerDisabledMs
        FROM webhook_endpoints_v1 FINAL
        LEFT JOIN (
          SELECT partner_id AS owner, toUnixTimestamp64Milli(disabled_at) AS ownerDisabledMs FROM partners_v1 FINAL
        ) AS owners ON set_by = owner`

const allEndpoints = defineQuery({
  name: 'all_webhook_endpoints',
  sql: `${ENDPOINT_SELECT} WHERE removed_at IS NULL ORDER BY created_at, endpoint_id`,
  params: z.object({}),
  row: EndpointRow,
})

const endpointById = defineQuery({
  name: 'webhook_endpoint_by_id',
  sql: `${ENDPOINT_SELECT} WHERE endpoint_id = {endpointId: String}`,
  params: z.object({ endpointId: z.string() }),
  row: EndpointRow,
})
