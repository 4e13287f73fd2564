import { createPrivateKey, createPublicKey } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { SERVICE } from '../../../registry/audit-log.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { PUBLISH_LEAD_MS, RETIRE_MARGIN_MS, stateOf } from '../../../registry/keys/key-states.ts'
import { makeDueSigningKey, rotateSigningKey } from '../../../registry/keys/rotate-signing-key.ts'
import { SealBroken, unseal } from '../../../registry/keys/sealing.ts'
import { openPrivateKey, privateKeyPurpose, readSigningKeys } from '../../../registry/keys/signing-keys.ts'
import { syncEmbeddedProject } from '../../../registry/projects/sync-project.ts'
import type { Registry } from '../../../registry/registry.ts'
import { authenticateAdminToken, createAdminToken } from '../../../registry/tokens/admin-tokens.ts'
import { authenticateProjectToken, authorizeProject } from '../../../registry/tokens/project-tokens.ts'
import { defineQuery } from '../../../sql/query.ts'
import { craftToken, partsOf, rs256 } from '../../support/clients/crafted-token.ts'
import { expireCaches, type KeysWorlds, NOON_MS, openKeysWorlds } from '../../support/worlds/keys-world.ts'
import { TEST_MASTER_KEYS } from '../../support/worlds/test-registry.ts'

let worlds: KeysWorlds
let inWorld: KeysWorlds['inWorld']
beforeAll(async () => {
  worlds = await openKeysWorlds()
  inWorld = worlds.inWorld
})
afterAll(() => worlds.close())

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const publishedKids = async ({ signingKeys }: Registry) => (await signingKeys.published()).map(({ kid }) => kid)

async function createProject(registry: Registry): Promise<{ partnerId: string; projectId: string }> {
  const { partner } = await createPartner(registry, SERVICE, { name: 'P', mode: 'white-label' })
  const project = await syncEmbeddedProject(registry, SERVICE, { partnerId: partner.id, name: 'one' })
  return { partnerId: partner.id, projectId: project.id }
}

const kidOf = (token: string | undefined) => decodeProtectedHeader(token ?? '').kid

describe('signing keys of several processes', () => {
  test('two processes that start together create one first key, and both sign with it immediately', () =>
    inWorld(async ({ registries, clickhouse }) => {
      const created = await Promise.all(registries.map((registry) => makeDueSigningKey(registry, 30)))
      expect(created.filter((key) => key !== undefined)).toHaveLength(1)
      expect(await readSigningKeys(clickhouse)).toHaveLength(1)
      for (const registry of registries) expect((await registry.signingKeys.currentKey()).kid).toBe('meterline-key-2026-01-31')
    }))

  test('concurrent rotations create one key by schedule and one per call by command, and all processes agree on their states', () =>
    inWorld(async (world) => {
      const { registries, clickhouse } = world
      const [one, other] = registries
      await makeDueSigningKey(one, 30)
      world.now += 30 * DAY_MS
      await Promise.all(registries.map((registry) => makeDueSigningKey(registry, 30)))
      expect((await readSigningKeys(clickhouse)).map(({ kid }) => kid)).toEqual(['meterline-key-2026-01-31', 'meterline-key-2026-03-02'])
      const commanded = await Promise.all(registries.map((registry) => rotateSigningKey(registry, SERVICE, { withdraw: false })))
      expect(commanded.map(({ kid }) => kid).sort()).toEqual(['meterline-key-2026-03-02-2', 'meterline-key-2026-03-02-3'])
      for (const minutes of [0, 10, 11, 25]) {
        world.now = NOON_MS + 30 * DAY_MS + minutes * MINUTE_MS
        expireCaches(world)
        expect(await publishedKids(one)).toEqual(await publishedKids(other))
        expect((await one.signingKeys.currentKey()).kid).toBe((await other.signingKeys.currentKey()).kid)
      }
      expect((await one.signingKeys.currentKey()).kid).toBe('meterline-key-2026-03-02-3')
    }))

  test('concurrent withdrawals leave exactly one key, which signs', () =>
    inWorld(async (world) => {
      await makeDueSigningKey(world.registries[0], 30)
      await Promise.all(world.registries.map((registry) => rotateSigningKey(registry, SERVICE, { withdraw: true })))
      expireCaches(world)
      const keys = await readSigningKeys(world.clickhouse)
      expect(keys.map((key) => stateOf(keys, key, world.now)).sort()).toEqual(['signing', 'withdrawn', 'withdrawn'])
    }))
})

describe('a rotation of signing keys', () => {
  test('a rotation publishes the new key before it signs, and the old one until its last code has expired', () =>
    inWorld(async (world) => {
      const [registry, elsewhere] = world.registries
      await makeDueSigningKey(registry, 30)
      const project = await createProject(registry)
      const isValid = async (token = '') => {
        expireCaches(world)
        return (await authenticateProjectToken(elsewhere, token, project)) !== undefined
      }
      const [first, second] = ['meterline-key-2026-01-31', 'meterline-key-2026-01-31-2']
      const { signsFromMs } = await rotateSigningKey(registry, SERVICE, { withdraw: false })
      expect(signsFromMs).toBe(NOON_MS + 10 * MINUTE_MS)
      expect(await publishedKids(registry)).toEqual([first, second])

      world.now = signsFromMs - 1_000
      const last = await authorizeProject(registry, project)
      expect(kidOf(last)).toBe(first)
      world.now = signsFromMs
      const next = await authorizeProject(registry, project)
      expect(kidOf(next)).toBe(second)
      expect([await isValid(last), await isValid(next)]).toEqual([true, true])
      world.now = signsFromMs + 599_000
      expect([await isValid(last), await isValid(next)]).toEqual([true, true])
      expect(await publishedKids(elsewhere)).toEqual([first, second])
      world.now = signsFromMs + 605_000
      expect([await isValid(last), await isValid(next)]).toEqual([false, false])

      world.now = signsFromMs + 600_000 + RETIRE_MARGIN_MS
      expect(await publishedKids(elsewhere)).toEqual([second])
    }))

  test('a token signed by a retired key is rejected, however recent it claims to be', () =>
    inWorld(async (world) => {
      const [registry] = world.registries
      const first = await makeDueSigningKey(registry, 30)
      if (first === undefined) throw new Error('The first key should have been created.')
      const project = await createProject(registry)
      await rotateSigningKey(registry, SERVICE, { withdraw: false })
      world.now += 30 * MINUTE_MS
      expireCaches(world)
      const valid = (await authorizeProject(registry, project)) ?? ''
      expect(kidOf(valid)).toBe('meterline-key-2026-01-31-2')
      const { header, claims } = partsOf(valid)
      // Signed now by the old key, and valid in every other way.
      const late = craftToken({ header: { ...header, kid: first.kid }, claims }, rs256(openPrivateKey(registry, first)))
      expect(await authenticateProjectToken(registry, late, project)).toBeUndefined()
      expect(await authenticateProjectToken(registry, valid, project)).toBeDefined()
    }))

  test('admin tokens outlive a rotation until they expire, after at most twelve hours', () =>
    inWorld(async (world) => {
      const [registry, elsewhere] = world.registries
      await makeDueSigningKey(registry, 30)
      const { signsFromMs } = await rotateSigningKey(registry, SERVICE, { withdraw: false })
      world.now = signsFromMs - 1_000
      const { token, id } = await createAdminToken(registry, SERVICE, { role: 'finance', lifetimeSeconds: 43_200 })
      world.now += 43_199_000
      expireCaches(world)
      expect(await publishedKids(elsewhere)).toEqual(['meterline-key-2026-01-31-2'])
      expect(await authenticateAdminToken(elsewhere, token)).toEqual({ role: 'finance', id })
      world.now += 10_000
      expect(await authenticateAdminToken(elsewhere, token)).toBeUndefined()
    }))

  test('a rotation with `withdraw` signs immediately and invalidates the tokens of all other keys, also in other processes', () =>
    inWorld(async (world) => {
      const [registry, elsewhere] = world.registries
      await makeDueSigningKey(registry, 30)
      const project = await createProject(registry)
      await rotateSigningKey(registry, SERVICE, { withdraw: false })
      const code = (await authorizeProject(registry, project)) ?? ''
      const admin = await createAdminToken(registry, SERVICE, { role: 'operator', lifetimeSeconds: 3_600 })
      expect(await authenticateProjectToken(elsewhere, code, project)).toBeDefined()
      const { kid } = await rotateSigningKey(registry, SERVICE, { withdraw: true })
      expect(await publishedKids(registry)).toEqual([kid])
      const fresh = (await authorizeProject(registry, project)) ?? ''
      expect(kidOf(fresh)).toBe(kid)
      // An unknown kid makes the other process read the keys immediately.
      expect(await authenticateProjectToken(elsewhere, fresh, project)).toBeDefined()
      for (const each of world.registries) {
        expect(await authenticateProjectToken(each, code, project)).toBeUndefined()
        expect(await authenticateAdminToken(each, admin.token)).toBeUndefined()
      }
      expect(await publishedKids(elsewhere)).toEqual([kid])
    }))

  test('an unknown kid makes a process read the keys again, at most once a second', () =>
    inWorld(async (world) => {
      const [registry, elsewhere] = world.registries
      await makeDueSigningKey(registry, 30)
      const project = await createProject(registry)
      const codeOfNewKey = async () => {
        await rotateSigningKey(registry, SERVICE, { withdraw: true })
        return (await authorizeProject(registry, project)) ?? ''
      }
      const isValid = async (code: string) => (await authenticateProjectToken(elsewhere, code, project)) !== undefined
      expect(await isValid((await authorizeProject(registry, project)) ?? '')).toBe(true)
      // No time passes here, so the keys are still cached.
      expect(await isValid(await codeOfNewKey())).toBe(true)
      const next = await codeOfNewKey()
      expect(await isValid(next)).toBe(false)
      world.now += 999
      expect(await isValid(next)).toBe(false)
      world.now += 1
      expect(await isValid(next)).toBe(true)
      world.now -= 500
      expect(await isValid(await codeOfNewKey())).toBe(true)
    }))

  test('a rotation is audited with its actor and the withdrawn keys', () =>
    inWorld(async ({ registries: [registry], clickhouse }) => {
      await makeDueSigningKey(registry, 30)
      await rotateSigningKey(registry, { name: 'admin', requestId: 'r' }, { withdraw: true })
      const entries = await clickhouse.reads.query(keyEntries, {})
      expect(entries.map(({ actor, subject }) => [actor, subject])).toEqual([
        ['service', 'meterline-key-2026-01-31'],
        ['admin', 'meterline-key-2026-01-31-2'],
      ])
      expect(JSON.parse(entries[1]?.details ?? '')).toEqual({ signs_from_ms: NOON_MS, withdrawn: ['meterline-key-2026-01-31'] })
    }))

  test('a scheduled rotation happens at the configured age, never for 0, and once after a long stop', () =>
    inWorld(async (world) => {
      const [registry] = world.registries
      const createDue = (days: number) => makeDueSigningKey(registry, days)
      expect(await createDue(0)).toMatchObject({ signsFromMs: NOON_MS })
      world.now += 30 * DAY_MS - 1
      expect([await createDue(0), await createDue(30)]).toEqual([undefined, undefined])
      world.now += 1
      expect(await createDue(30)).toMatchObject({ kid: 'meterline-key-2026-03-02', signsFromMs: world.now + PUBLISH_LEAD_MS })
      expect(await createDue(30)).toBeUndefined()
      world.now += 365 * DAY_MS
      expect(await createDue(0)).toBeUndefined()
      expect(await createDue(30)).toMatchObject({ kid: 'meterline-key-2027-03-02' })
      expect(await createDue(30)).toBeUndefined()
    }))
})

describe('signing keys at rest', () => {
  test('a private key is sealed for its own kid only, and belongs to the stored public key', () =>
    inWorld(async ({ registries: [registry], clickhouse }) => {
      await makeDueSigningKey(registry, 30)
      await rotateSigningKey(registry, SERVICE, { withdraw: false })
      const [first, second] = await readSigningKeys(clickhouse)
      if (first === undefined || second === undefined) throw new Error('There should be two keys.')
      expect(() => openPrivateKey(registry, { ...second, kid: first.kid })).toThrow(SealBroken)
      for (const key of [first, second]) {
        const opened = openPrivateKey(registry, key)
        expect(opened.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048, publicExponent: 65_537n })
        expect(createPublicKey(opened).export({ format: 'jwk' })).toEqual(key.publicJwk)
        const plain = unseal(TEST_MASTER_KEYS, key.sealedPrivateKey, privateKeyPurpose(key.kid))
        expect(createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' }).equals(opened)).toBe(true)
        expect(Object.keys(key.publicJwk).sort()).toEqual(['e', 'kty', 'n'])
      }
      expect(first.publicJwk.n).not.toBe(second.publicJwk.n)
    }))
})

test('every token has a different id', () =>
  inWorld(async ({ registries: [registry] }) => {
    await makeDueSigningKey(registry, 0)
    const project = await createProject(registry)
    const ids = await Promise.all(Array.from({ length: 20 }, async () => decodeJwt((await authorizeProject(registry, project)) ?? '').jti))
    expect(new Set(ids).size).toBe(20)
  }))

const keyEntries = defineQuery({
  name: 'test_key_entries',
  sql: `SELECT actor, subject, details FROM audit_log_v1 WHERE action = 'signing-key.create' ORDER BY seq`,
  params: z.object({}),
  row: z.object({ actor: z.string(), subject: z.string(), details: z.string() }),
})
