import { randomBytes } from 'node:crypto'
import { WEBHOOKS_MAX } from '../../contract/webhook-events.ts'
import type { Actor } from '../../registry/audit-log.ts'
import type { RegistryStore } from '../../registry/changes.ts'
import type { SecretStore } from '../../registry/secrets/change-secrets.ts'
import { readWebhookSecrets } from '../../registry/secrets/webhook-secrets.ts'
import { newWebhookSecret, writeWebhookSecrets } from '../../registry/secrets/write-webhook-secrets.ts'
import { type Endpoint, findEndpoint, listEndpoints, writeEndpoint } from './endpoints.ts'

export interface NewEndpoint extends Pick<Endpoint, 'setBy' | 'partnerId' | 'url' | 'events'> {}

export type CreateEndpointOutcome = { status: 'created'; endpoint: Endpoint; secret: string } | { status: 'full' }

/** The URL is in no audit entry: it may contain a token. Throws StoreError. */
export function createEndpoint(registry: SecretStore, actor: Actor, request: NewEndpoint): Promise<CreateEndpointOutcome> {
  const id = `wh_${randomBytes(ID_BYTES).toString('hex')}`
  const nowMs = registry.now()
  const { secret, stored } = newWebhookSecret(registry.masterKeys, id, nowMs)
  const endpoint: Endpoint = {
    id,
    revision: 1,
    ...request,
    createdMs: nowMs,
    enabledMs: nowMs,
    disabledMs: null,
    disabledReason: '',
    removedMs: null,
    ownerDisabledMs: null,
  }
  return registry.changes.run(actor, async (change) => {
    // The endpoint may be this call's own, written by an attempt whose response was lost.
    const others = (await listEndpoints(registry, request.setBy)).filter((each) => each.id !== id)
    if (others.length >= WEBHOOKS_MAX) return { status: 'full' }
    const details = { set_by: request.setBy, partner_id: request.partnerId, events: [...request.events] }
    await change.note({ action: 'webhook.create', subject: id, details })
    // The secret is written first: a crash in between must not leave an endpoint whose messages nothing signs.
    await writeWebhookSecrets(change, [stored])
    await writeEndpoint(change, endpoint)
    return { status: 'created', endpoint, secret }
  })
}

/** An endpoint of the caller. */
export interface EndpointKey {
  /** The partner, empty for operators, or undefined for an endpoint of any owner. */
  readonly setBy: string | undefined
  readonly endpointId: string
}

/** Undefined fields are not changed. */
export interface EndpointUpdate {
  readonly url?: string | undefined
  readonly events?: readonly string[] | undefined
  readonly enabled?: boolean | undefined
}

/** Undefined when the caller has no such endpoint. Throws StoreError. */
export function updateEndpoint(registry: SecretStore, actor: Actor, key: EndpointKey, update: EndpointUpdate): Promise<Endpoint | undefined> {
  return registry.changes.run(actor, async (change) => {
    const known = await findOwn(registry, key)
    if (known === undefined) return undefined
    const { url = known.url, events = known.events, enabled = known.disabledMs === null } = update
    const isEnabled = known.disabledMs === null
    const changed = [
      ...(url === known.url ? [] : ['url']),
      ...(events.join() === known.events.join() ? [] : ['events']),
      ...(enabled === isEnabled ? [] : ['enabled']),
    ]
    if (changed.length === 0) return known
    const nowMs = registry.now()
    const state: Partial<Endpoint> =
      enabled === isEnabled ? {} : enabled ? { disabledMs: null, disabledReason: '' } : { disabledMs: nowMs, disabledReason: 'requested' }
    const isNew = url !== known.url || events.some((event) => !known.events.includes(event)) || (enabled && !isEnabled)
    const next = { ...known, url, events, ...state, enabledMs: isNew ? nowMs : known.enabledMs, revision: known.revision + 1 }
    await change.note({ action: 'webhook.update', subject: known.id, details: { changed, enabled } })
    await writeEndpoint(change, next)
    return next
  })
}

/** Idempotent. Throws StoreError. */
export function removeEndpoint(registry: SecretStore, actor: Actor, key: EndpointKey): Promise<{ removedMs: number } | undefined> {
  return registry.changes.run(actor, async (change) => {
    const known = await findEndpoint(registry, key.endpointId)
    if (known === undefined || !isOf(known, key)) return undefined
    if (known.removedMs !== null) return { removedMs: known.removedMs }
    const removedMs = registry.now()
    await change.note({ action: 'webhook.remove', subject: known.id })
    await writeEndpoint(change, { ...known, removedMs, revision: known.revision + 1 })
    return { removedMs }
  })
}

/** The previous secrets sign until the overlap is over, or until they would have expired anyway. Throws StoreError. */
export function rotateEndpointSecret(
  registry: SecretStore,
  actor: Actor,
  key: EndpointKey,
  overlapSeconds: number,
): Promise<{ secret: string; previousExpiresMs: number } | undefined> {
  const nowMs = registry.now()
  const previousExpiresMs = nowMs + overlapSeconds * MS_PER_SECOND
  const { secret, stored } = newWebhookSecret(registry.masterKeys, key.endpointId, nowMs)
  return registry.changes.run(actor, async (change) => {
    const known = await findOwn(registry, key)
    if (known === undefined) return undefined
    const signing = (await readWebhookSecrets(registry, known.id)).filter(({ id, expiresMs }) => id !== stored.id && (expiresMs === null || expiresMs > nowMs))
    // At most two sign at a time: a receiver that exchanges twice within an overlap has the newer of the two before.
    const expiring = signing.map((each, index) => ({ ...each, revision: each.revision + 1, expiresMs: index === 0 ? previousExpiresMs : nowMs }))
    await change.note({ action: 'webhook.rotate', subject: known.id, details: { secret_id: stored.id } })
    await writeWebhookSecrets(change, [stored, ...expiring])
    return { secret, previousExpiresMs }
  })
}

/** Undefined when the caller has no such endpoint, or it is removed. Throws StoreError. */
export async function findOwn(registry: RegistryStore, key: EndpointKey): Promise<Endpoint | undefined> {
  const known = await findEndpoint(registry, key.endpointId)
  return known === undefined || !isOf(known, key) || known.removedMs !== null ? undefined : known
}

function isOf(endpoint: Endpoint, { setBy }: EndpointKey): boolean {
  return setBy === undefined || endpoint.setBy === setBy
}

const ID_BYTES = 10
const MS_PER_SECOND = 1_000
