import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SERVICE } from '../../../registry/audit-log.ts'
import { setPartnerDisabled } from '../../../registry/change-partners.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { CredentialCache } from '../../../registry/credentials/credential-cache.ts'
import { isCredential, newCredential } from '../../../registry/credentials/credentials.ts'
import { authenticateIngestKey, createIngestKey, revokeIngestKey } from '../../../registry/credentials/ingest-keys.ts'
import { authenticatePartner } from '../../../registry/credentials/partner-secrets.ts'
import { addPartnerSecret, listPartnerSecrets, revokePartnerSecret } from '../../../registry/credentials/rotate-partner-secrets.ts'
import type { Registry } from '../../../registry/registry.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { faultOnce } from '../../support/engines/faulty-lane.ts'
import { untilSo } from '../../support/until-so.ts'
import { openTestRegistry } from '../../support/worlds/test-registry.ts'

/** The registries of two processes. */
let store: TestStore
let here: Registry
let elsewhere: Registry
beforeAll(async () => {
  store = await openTestStore()
  here = await openTestRegistry(store.clickhouse)
  elsewhere = await openTestRegistry(store.clickhouse)
})
afterAll(() => store.close())

/** A second, plus time for a busy machine. */
const WITHIN_MS = 3_000

/** How long a credential that was just revoked is still accepted elsewhere. */
async function msUntilRejected(isAccepted: () => Promise<boolean>): Promise<number> {
  const revokedMs = Date.now()
  await untilSo(async () => !(await isAccepted()))
  return Date.now() - revokedMs
}

describe('revocation', () => {
  test('a secret, a partner and an ingest key that are revoked in one process are rejected by others within a second', async () => {
    const { partner, secret } = await createPartner(here, SERVICE, { name: 'Two', mode: 'white-label' })
    const isAccepted = async (registry: Registry, given = secret) => (await authenticatePartner(registry, partner.id, given)) !== undefined
    expect([await isAccepted(here), await isAccepted(elsewhere)]).toEqual([true, true])
    const [known] = await listPartnerSecrets(here, partner.id)
    await revokePartnerSecret(here, SERVICE, { partnerId: partner.id, secretId: known?.id ?? '' })
    expect(await isAccepted(here)).toBe(false)
    expect(await msUntilRejected(() => isAccepted(elsewhere))).toBeLessThan(WITHIN_MS)

    const added = await addPartnerSecret(elsewhere, SERVICE, { partnerId: partner.id, overlapSeconds: 60 })
    if (added.status !== 'rotated') throw new Error(added.status)
    expect([await isAccepted(here, added.secret), await isAccepted(elsewhere, added.secret)]).toEqual([true, true])
    await setPartnerDisabled(here, SERVICE, { partnerId: partner.id, disabled: true })
    expect(await isAccepted(here, added.secret)).toBe(false)
    expect(await msUntilRejected(() => isAccepted(elsewhere, added.secret))).toBeLessThan(WITHIN_MS)

    const { id, key } = await createIngestKey(here, SERVICE, { name: 'key', partnerIds: [] })
    expect(await authenticateIngestKey(elsewhere, key)).toEqual({ id, name: 'key', partnerIds: [] })
    await revokeIngestKey(here, SERVICE, id)
    expect(await authenticateIngestKey(here, key)).toBeUndefined()
    expect(await msUntilRejected(async () => (await authenticateIngestKey(elsewhere, key)) !== undefined)).toBeLessThan(WITHIN_MS)
  })

  test('a look-up that began before a revocation is not cached when it ends after it', async () => {
    const cache = new CredentialCache<string>({ ttlMs: 60_000, entriesMax: 10 })
    let found: (value: string) => void = () => {}
    const first = cache.find('key', () => new Promise((resolve) => (found = resolve)))
    cache.clear()
    found('revoked')
    expect(await first).toBe('revoked')
    expect(await cache.find('key', async () => undefined)).toBeUndefined()
  })
})

describe('the cache of credentials', () => {
  const cacheOfTwo = () => new CredentialCache<string>({ ttlMs: 60_000, entriesMax: 2 })

  test('a failed look-up is not cached: the credential is looked up again', async () => {
    const cache = cacheOfTwo()
    expect(await cache.find('key', async () => undefined)).toBeUndefined()
    expect(await cache.find('key', async () => 'created since')).toBe('created since')
    expect(await cache.find('key', async () => 'not looked up')).toBe('created since')
  })

  test('a full cache drops the credential that was used least recently and keeps the others', async () => {
    const cache = cacheOfTwo()
    for (const key of ['busy', 'idle', 'busy', 'new']) await cache.find(key, async () => key)
    const cached = ['busy', 'new', 'idle'].map((key) => cache.find(key, async () => 'looked up'))
    expect(await Promise.all(cached)).toEqual(['busy', 'new', 'looked up'])
  })
})

test('a rotation whose response was lost has landed as a whole: the new secret never exists without the expiry of the old one', async () => {
  const { partner } = await createPartner(here, SERVICE, { name: 'Lost', mode: 'white-label' })
  const request = { partnerId: partner.id, overlapSeconds: 60 }
  const faulty = faultOnce(store.clickhouse.registry, 'partner_secrets_inbox_v1', 'response lost')
  const unlucky = await openTestRegistry({ ...store.clickhouse, registry: faulty.lane })
  await expect(addPartnerSecret(unlucky, SERVICE, request)).rejects.toThrow('injected')
  expect(faulty.occurred()).toBe(true)
  const secrets = await listPartnerSecrets(here, partner.id)
  expect(secrets.map(({ expiresMs }) => expiresMs !== null)).toEqual([false, true])
  // Nobody has received the new secret. Revoking it makes room for another one.
  expect((await addPartnerSecret(here, SERVICE, request)).status).toBe('too_many')
  await revokePartnerSecret(here, SERVICE, { partnerId: partner.id, secretId: secrets[0]?.id ?? '' })
  expect((await addPartnerSecret(here, SERVICE, request)).status).toBe('rotated')
})

test('a mistyped credential and one of another kind are recognized by their text alone', () => {
  for (const kind of ['partnerSecret', 'ingestKey'] as const) {
    const credential = newCredential(kind)
    expect(isCredential(kind, credential)).toBe(true)
    for (let index = 0; index < credential.length; index += 1) {
      const typed = credential[index] === 'a' ? 'b' : 'a'
      expect(isCredential(kind, credential.slice(0, index) + typed + credential.slice(index + 1))).toBe(false)
      expect(isCredential(kind, credential.slice(0, index) + credential.slice(index + 1))).toBe(false)
    }
    expect(isCredential(kind === 'ingestKey' ? 'partnerSecret' : 'ingestKey', credential)).toBe(false)
    for (const text of ['', ` ${credential}`, `${credential}\n`, credential.toUpperCase()]) expect(isCredential(kind, text)).toBe(false)
  }
})
