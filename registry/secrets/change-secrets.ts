import { randomUUID } from 'node:crypto'
import { SECRETS_MAX } from '../../contract/secrets.ts'
import type { Actor } from '../audit-log.ts'
import type { RegistryStore } from '../changes.ts'
import type { MasterKeys } from '../keys/sealing.ts'
import { type Envelope, openValue, sealValue } from './envelope.ts'
import { countSecrets, findSecret, isLive, type StoredSecret } from './stored-secrets.ts'
import { writeSecret } from './write-secret.ts'

/** What a function needs that reads or changes the value of a secret. */
export interface SecretStore extends RegistryStore {
  readonly masterKeys: MasterKeys
  /** ms since 1970. */
  readonly now: () => number
}

export interface NewSecret {
  readonly key: string
  readonly value: string
  readonly isReserved: boolean
  readonly expiresMs: number | null
}

export type CreateOutcome = { status: 'created'; id: string } | { status: 'exists'; isActive: boolean } | { status: 'full' }

/** Of concurrent calls for one key, exactly one creates it. Throws StoreError. */
export function createSecret(registry: SecretStore, actor: Actor, { key, value, isReserved, expiresMs }: NewSecret): Promise<CreateOutcome> {
  const id = randomUUID()
  const envelope = sealValue(registry.masterKeys, { id, key }, value)
  return registry.changes.run(actor, async (change) => {
    const known = await findSecret(registry, key)
    // The secret may be this call's own, written by an attempt whose response was lost.
    if (known !== undefined) return known.id === id ? { status: 'created', id } : { status: 'exists', isActive: known.isActive }
    if ((await countSecrets(registry)) >= SECRETS_MAX) return { status: 'full' }
    const nowMs = registry.now()
    await change.note({ action: 'secret.create', subject: key, details: { secret_id: id, is_reserved: isReserved, expires_ms: expiresMs } })
    await writeSecret(change, { id, key, ...envelope, isActive: true, isReserved, createdMs: nowMs, updatedMs: nowMs, expiresMs, revision: 1 })
    return { status: 'created', id }
  })
}

/**
 * The value, returned only after the audit log has recorded who reads it. Undefined when the secret is missing, inactive or
 * expired. Throws StoreError, and SealBroken when the row was changed after it was sealed.
 */
export function revealSecret(registry: SecretStore, actor: Actor, key: string): Promise<string | undefined> {
  return registry.changes.run(actor, async (change) => {
    const known = await findSecret(registry, key)
    if (known === undefined || !isLive(known, registry.now())) return undefined
    const value = openValue(registry.masterKeys, known, known)
    await change.note({ action: 'secret.read', subject: key, details: { secret_id: known.id } })
    return value
  })
}

/** Undefined fields are not changed. */
export interface SecretUpdate {
  readonly key: string
  readonly value?: string | undefined
  readonly isActive?: boolean | undefined
  readonly isReserved?: boolean | undefined
  readonly expiresMs?: number | null | undefined
}

export type UpdateOutcome = 'updated' | 'not_found'

/** Throws StoreError. */
export function updateSecret(registry: SecretStore, actor: Actor, update: SecretUpdate): Promise<UpdateOutcome> {
  let envelope: Envelope | undefined
  return registry.changes.run(actor, async (change) => {
    const known = await findSecret(registry, update.key)
    if (known === undefined) return 'not_found'
    // Sealed once per call: an attempt after one whose response was lost finds its own envelope, and nothing is left to change.
    if (update.value !== undefined) envelope ??= sealValue(registry.masterKeys, known, update.value)
    const { isActive = known.isActive, isReserved = known.isReserved, expiresMs = known.expiresMs } = update
    const next = { ...known, ...envelope, isActive, isReserved, expiresMs }
    const changed = CHANGEABLE.filter(([field]) => next[field] !== known[field]).map(([, name]) => name)
    if (changed.length === 0) return 'updated'
    const details = { secret_id: known.id, changed, is_active: isActive, is_reserved: isReserved, expires_ms: expiresMs }
    await change.note({ action: 'secret.update', subject: known.key, details })
    await writeSecret(change, { ...next, updatedMs: registry.now(), revision: known.revision + 1 })
    return 'updated'
  })
}

/** The fields that an update may change, and their names in the audit log. */
const CHANGEABLE = [
  ['sealedValue', 'value'],
  ['isActive', 'is_active'],
  ['isReserved', 'is_reserved'],
  ['expiresMs', 'expires_ms'],
] as const satisfies readonly (readonly [keyof StoredSecret, string])[]

export type DeleteOutcome = 'deleted' | 'reserved' | 'not_found'

/** Makes the secret inactive; an update can activate it again. Idempotent. Throws StoreError. */
export function deleteSecret(registry: SecretStore, actor: Actor, key: string): Promise<DeleteOutcome> {
  return registry.changes.run(actor, async (change) => {
    const known = await findSecret(registry, key)
    if (known === undefined) return 'not_found'
    if (known.isReserved) return 'reserved'
    if (!known.isActive) return 'deleted'
    await change.note({ action: 'secret.delete', subject: key, details: { secret_id: known.id } })
    await writeSecret(change, { ...known, isActive: false, updatedMs: registry.now(), revision: known.revision + 1 })
    return 'deleted'
  })
}
