import { z } from 'zod'
import { WEBHOOK_EVENTS } from '../../contract/webhook-events.ts'
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
  /** When it was created or last enabled. */
  readonly enabledMs: number
  /** Null while it is enabled. */
  readonly disabledMs: number | null
  /** Empty while it is enabled. */
  readonly disabledReason: '' | 'requested' | 'failing'
  readonly removedMs: number | null
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
})

const ENDPOINT_SELECT = `SELECT endpoint_id AS id, revision, set_by AS setBy, partner_id AS partnerId, url, events,
          toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(enabled_at) AS enabledMs,
          toUnixTimestamp64Milli(disabled_at) AS disabledMs, disabled_reason AS disabledReason, toUnixTimestamp64Milli(removed_at) AS removedMs
        FROM webhook_endpoints_v1 FINAL`

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
