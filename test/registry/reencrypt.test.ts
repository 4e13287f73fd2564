import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Actor } from '../../registry/audit-log.ts'
import type { Change } from '../../registry/changes.ts'
import { createPartner } from '../../registry/create-partner.ts'
import { rotateSigningKey } from '../../registry/keys/rotate-signing-key.ts'
import { type MasterKey, type MasterKeys, newDataKey, sealPrefixOf } from '../../registry/keys/sealing.ts'
import { openPrivateKey, readSigningKeys } from '../../registry/keys/signing-keys.ts'
import { openRegistry } from '../../registry/open-registry.ts'
import { apiKeyOf, findProject, type Project } from '../../registry/projects/project.ts'
import { syncEmbeddedProject } from '../../registry/projects/sync-project.ts'
import { countSealedByOtherKeys, reencryptSealed, totalOf } from '../../registry/reencrypt.ts'
import type { Registry } from '../../registry/registry.ts'
import { createSecret, revealSecret, updateSecret } from '../../registry/secrets/change-secrets.ts'
import { openValue, sealValue } from '../../registry/secrets/envelope.ts'
import { findSecret, type StoredSecret } from '../../registry/secrets/stored-secrets.ts'
import { writeSecret } from '../../registry/secrets/write-secret.ts'
import { StoreError } from '../../sql/errors.ts'
import { defineQuery } from '../../sql/query.ts'
import { openTestStore, type TestStore } from '../support/engines/embedded-store.ts'
import { FAULTS, faultOnce } from '../support/engines/faulty-lane.ts'
import { queriesOf } from '../support/query-trace.ts'

const ACTOR: Actor = { name: 'admin', requestId: 'request' }
const NOTHING = { pepper: 0, project_api_keys: 0, secret_data_keys: 0, signing_keys: 0 }
/** More than two batches. */
const SECRETS = Array.from({ length: 230 }, (_, number) => `MANY_${number}`)

let store: TestStore
const projectIds: string[] = []
/** MASTER_KEY before a test, and the key that replaces it. */
let oldKey: MasterKey
let newKey: MasterKey
beforeAll(async () => {
  store = await openTestStore()
  newKey = newDataKey()
  await seed()
})
afterAll(() => store.close())
beforeEach(() => {
  oldKey = newKey
  newKey = newDataKey()
})

describe('exchange of MASTER_KEY', () => {
  test('while two processes exchange MASTER_KEY in steps, each opens what the other seals; at the end the old key opens nothing', async () => {
    const known = await opened(await open(onlyKey(oldKey)))
    const steps: [a: MasterKeys, b: MasterKeys][] = [
      [bothKeys(oldKey, newKey), onlyKey(oldKey)],
      [bothKeys(oldKey, newKey), bothKeys(oldKey, newKey)],
      [bothKeys(newKey, oldKey), bothKeys(oldKey, newKey)],
      [bothKeys(newKey, oldKey), bothKeys(newKey, oldKey)],
    ]
    for (const [number, keys] of steps.entries()) {
      const [a, b] = [await open(keys[0]), await open(keys[1])]
      for (const registry of [a, b]) expect(await opened(registry)).toEqual(known)
      for (const [key, writer, reader] of [
        [`A_${number}`, a, b],
        [`B_${number}`, b, a],
      ] as const) {
        await createSecret(writer, ACTOR, { key, value: key, isReserved: false, expiresMs: null })
        expect(await revealSecret(reader, ACTOR, key)).toBe(key)
      }
    }
    const registry = await open(bothKeys(newKey, oldKey))
    const values = await store.clickhouse.reads.query(sealedValues, {})
    // Of the eight secrets that were created meanwhile, the new key has sealed three.
    const reencrypted = { pepper: 1, project_api_keys: 2, secret_data_keys: SECRETS.length + 5, signing_keys: 2 }
    expect(await reencryptSealed(registry, ACTOR)).toEqual({ reencrypted, remaining: 0 })
    expect(await store.clickhouse.reads.query(sealedValues, {}), 'no value is sealed again').toEqual(values)
    expect(await opened(await open(onlyKey(newKey)))).toEqual(known)
    await expect(open(onlyKey(oldKey))).rejects.toThrow('MASTER_KEY is not the key this database was sealed with.')
    expect(await reencryptSealed(registry, ACTOR)).toEqual({ reencrypted: NOTHING, remaining: 0 })
  })

  test('re-encryption is audited once, with the number of texts there were; a repeated call is not audited', async () => {
    const registry = await open(bothKeys(newKey, oldKey))
    const counts = await countSealedByOtherKeys(registry)
    const before = await store.clickhouse.reads.query(rewraps, {})
    await reencryptSealed(registry, ACTOR)
    await reencryptSealed(registry, ACTOR)
    const audited = (await store.clickhouse.reads.query(rewraps, {})).slice(before.length)
    expect(audited.map(({ actor, details }) => [actor, JSON.parse(details)])).toEqual([['admin', counts]])
  })

  test('re-encryption changes nothing but sealed texts and revisions; pending deliveries to the platform stay pending, others stay done', async () => {
    const registry = await open(bothKeys(newKey, oldKey))
    const before = await sealedRows(registry)
    await reencryptSealed(registry, ACTOR)
    const after = await sealedRows(registry)
    for (const [index, { sealed, revision, ...rest }] of after.entries()) {
      const was = before[index]
      expect([revision, rest]).toEqual([(was?.revision ?? Number.NaN) + 1, { ...was, sealed: undefined, revision: undefined }])
      expect(sealed).not.toBe(was?.sealed)
    }
    expect((await projects(registry)).map(({ wantedRevision, provisionedRevision }) => provisionedRevision < wantedRevision)).toEqual([false, true])
  })

  test.each(FAULTS)('an interrupted re-encryption (%s) leaves everything readable with both keys, and the next one completes it', async (fault) => {
    const known = await opened(await open(onlyKey(oldKey)))
    for (const table of ['audit_log_inbox_v1', 'sealed_keys_inbox_v1', 'projects_inbox_v2', 'secrets_inbox_v1', 'signing_keys_inbox_v1']) {
      const { lane, occurred, sendLate } = faultOnce(store.clickhouse.registry, table, fault)
      const faulty = await open(bothKeys(newKey, oldKey), { ...store.clickhouse, registry: lane })
      const thrown = await reencryptSealed(faulty, ACTOR).catch((error: unknown) => error)
      expect([occurred(), thrown]).toEqual([true, expect.any(StoreError)])
      expect(await opened(await open(bothKeys(newKey, oldKey)))).toEqual(known)
      await Promise.all(sendLate())
    }
    expect((await reencryptSealed(await open(bothKeys(newKey, oldKey)), ACTOR)).remaining).toBe(0)
    expect(await opened(await open(onlyKey(newKey)))).toEqual(known)
  })

  test('two concurrent re-encryptions complete while other changes write the same rows', async () => {
    const known = await opened(await open(onlyKey(oldKey)))
    const [a, b] = [await open(bothKeys(newKey, oldKey)), await open(bothKeys(newKey, oldKey))]
    const writing = async () => {
      for (let number = 0; number < 20; number += 1) await untilDone(() => updateSecret(a, ACTOR, { key: `MANY_${number + 10}`, value: `again ${number}` }))
    }
    const [first, second] = await Promise.all([untilDone(() => reencryptSealed(a, ACTOR)), untilDone(() => reencryptSealed(b, ACTOR)), writing()])
    expect([first.remaining, second.remaining]).toEqual([0, 0])
    const registry = await open(onlyKey(newKey))
    for (let number = 0; number < 20; number += 1) expect(await revealSecret(registry, ACTOR, `MANY_${number + 10}`)).toBe(`again ${number}`)
    expect(await opened(registry)).toEqual(known)
  })

  test('each batch is read with one query per kind, because other changes wait for it', async () => {
    const registry = await open(bothKeys(newKey, oldKey))
    const queries = await queriesOf(() => reencryptSealed(registry, ACTOR))
    const times = (name: string) => queries.filter((each) => each === name).length
    const batches = times('sealed_by_other_keys')
    expect(batches).toBeGreaterThan(2)
    for (const name of ['project_by_id', 'secret_by_key']) expect([name, times(name)]).toEqual([name, 0])
    for (const name of ['projects_by_id', 'secrets_by_key', 'signing_keys']) expect(times(name)).toBeLessThanOrEqual(batches)
  })

  test('a text that a process seals with the old key afterwards is found by the next call', async () => {
    const behind = await open(bothKeys(oldKey, newKey))
    const ahead = await open(bothKeys(newKey, oldKey))
    await reencryptSealed(ahead, ACTOR)
    await updateSecret(behind, ACTOR, { key: 'MANY_3', value: 'sealed late' })
    expect(await revealSecret(ahead, ACTOR, 'MANY_3')).toBe('sealed late')
    expect(await reencryptSealed(ahead, ACTOR)).toEqual({ reencrypted: { ...NOTHING, secret_data_keys: 1 }, remaining: 0 })
    expect(await revealSecret(await open(onlyKey(newKey)), ACTOR, 'MANY_3')).toBe('sealed late')
  })

  test('a call that runs out of time reports how many texts remain', async () => {
    const registry = await open(bothKeys(newKey, oldKey))
    const total = totalOf(await countSealedByOtherKeys(registry))
    expect(total).toBeGreaterThan(SECRETS.length)
    expect(await reencryptSealed(registry, ACTOR, 0)).toEqual({ reencrypted: NOTHING, remaining: total })
    expect((await reencryptSealed(registry, ACTOR)).remaining).toBe(0)
  })

  test('the statements in docs/operating/keys.md delete the rows that the old key sealed', async () => {
    const known = await opened(await open(onlyKey(oldKey)))
    await reencryptSealed(await open(bothKeys(newKey, oldKey)), ACTOR)
    const rowsOfOldKey = async () => (await store.clickhouse.reads.query(rowsSealedWith, { prefix: sealPrefixOf(onlyKey(oldKey)) }))[0]?.rows
    expect(await rowsOfOldKey()).toBeGreaterThan(0)
    const guide = readFileSync(new URL('../../docs/operating/keys.md', import.meta.url), 'utf8')
    for (const [statement] of guide.matchAll(/^(?:OPTIMIZE|ALTER) [^;]+/gm)) await store.clickhouse.control.command(`${statement} SETTINGS mutations_sync = 1`)
    expect(await rowsOfOldKey()).toBe(0)
    expect(await opened(await open(onlyKey(newKey)))).toEqual(known)
  })

  /** The last test, because its row stays unreadable. */
  test('a text that neither key opens stays as it is, and the others are re-encrypted', async () => {
    const registry = await open(bothKeys(newKey, oldKey))
    const lost = { ...(await secretOf(registry, 'MANY_7')), ...sealValue(onlyKey(newDataKey()), { id: 'x', key: 'x' }, 'lost') }
    await registry.changes.run(ACTOR, (change) => writeSecret(change, { ...lost, revision: lost.revision + 1 }))
    const { reencrypted, remaining } = await reencryptSealed(registry, ACTOR)
    expect([remaining, reencrypted.secret_data_keys >= SECRETS.length, reencrypted.signing_keys]).toEqual([1, true, 2])
    expect((await secretOf(registry, 'MANY_7')).sealedDataKey).toBe(lost.sealedDataKey)
    expect(await reencryptSealed(registry, ACTOR)).toEqual({ reencrypted: NOTHING, remaining: 1 })
  })
})

/** Two projects, one of them not yet acknowledged by the platform; two signing keys; secrets. */
async function seed(): Promise<void> {
  const registry = await open(onlyKey(newKey))
  const { partner } = await createPartner(registry, ACTOR, { name: 'Sealed', mode: 'white-label' })
  for (const provisions of [false, true]) {
    const project = await syncEmbeddedProject({ ...registry, provisions }, ACTOR, { partnerId: partner.id, name: `provisions ${provisions}` })
    projectIds.push(project.id)
    await rotateSigningKey(registry, ACTOR, { withdraw: false })
  }
  const facts = { isActive: true, isReserved: false, createdMs: 0, updatedMs: 0, expiresMs: null, revision: 1 }
  const secrets = SECRETS.map((key) => ({ id: key, key, ...sealValue(registry.masterKeys, { id: key, key }, key), ...facts }))
  await registry.changes.run(ACTOR, async (change) => {
    let columns: readonly string[] = []
    const rows: Parameters<Change['write']>[2][] = []
    const write: Change['write'] = async (_table, named, row) => {
      columns = named
      rows.push(row)
    }
    for (const secret of secrets) await writeSecret({ ...change, write }, secret)
    await change.write('secrets_inbox_v1', columns, (owner) => rows.map((row) => row(owner)).join(''))
  })
}

/** The registry of a process with these keys. */
function open(masterKeys: MasterKeys, clickhouse = store.clickhouse): Promise<Registry> {
  return openRegistry({ clickhouse, masterKeys, projectHost: '{slug}.localhost', publicUrl: 'http://localhost', provisions: false })
}

function onlyKey(current: MasterKey): MasterKeys {
  return { current, previous: undefined }
}

function bothKeys(current: MasterKey, previous: MasterKey): MasterKeys {
  return { current, previous }
}

/** Everything that is sealed, in plain text. */
async function opened(registry: Registry) {
  const values: string[] = []
  for (const key of [SECRETS[0], SECRETS[99], SECRETS[100], SECRETS.at(-1)]) {
    const secret = await secretOf(registry, key ?? '')
    values.push(openValue(registry.masterKeys, secret, secret))
  }
  const signingKeys = await readSigningKeys(registry.clickhouse)
  return {
    pepper: registry.pepper.toString('hex'),
    apiKeys: (await projects(registry)).map((project) => apiKeyOf(registry, project)),
    privateKeys: signingKeys.map((key) => openPrivateKey(registry, key).export({ format: 'der', type: 'pkcs8' }).toString('hex')),
    values,
  }
}

async function projects(registry: Registry): Promise<Project[]> {
  const found = await Promise.all(projectIds.map((id) => findProject(registry, id)))
  return found.filter((project) => project !== undefined)
}

/** Repeats calls that fail because two processes compete for the lease of the registry. */
async function untilDone<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (thrown) {
      if (!(thrown instanceof StoreError) || thrown.fault !== 'unavailable') throw thrown
    }
  }
}

/** A row of each kind that has revisions. */
async function sealedRows(registry: Registry): Promise<{ revision: number; sealed: string; [fact: string]: unknown }[]> {
  const secret = await secretOf(registry, 'MANY_9')
  return [
    ...(await projects(registry)).map(({ sealedApiKey, ...project }) => ({ ...project, sealed: sealedApiKey })),
    ...(await readSigningKeys(registry.clickhouse)).map(({ sealedPrivateKey, ...key }) => ({ ...key, sealed: sealedPrivateKey })),
    { ...secret, sealedDataKey: undefined, sealed: secret.sealedDataKey },
  ]
}

async function secretOf(registry: Registry, key: string): Promise<StoredSecret> {
  const secret = await findSecret(registry, key)
  if (secret === undefined) throw new Error(`${key} is not stored.`)
  return secret
}

const sealedValues = defineQuery({
  name: 'test_sealed_values',
  sql: 'SELECT key, sealed_value FROM secrets_v1 FINAL ORDER BY key',
  params: z.object({}),
  row: z.object({ key: z.string(), sealed_value: z.string() }),
})

const rowsSealedWith = defineQuery({
  name: 'test_rows_sealed_with',
  sql: `SELECT count() AS rows FROM (
          SELECT sealed FROM sealed_keys_v1 UNION ALL SELECT sealed_api_key FROM projects_v1
          UNION ALL SELECT sealed_data_key FROM secrets_v1 UNION ALL SELECT sealed_private_key FROM signing_keys_v1
        ) WHERE startsWith(sealed, {prefix: String})`,
  params: z.object({ prefix: z.string() }),
  row: z.object({ rows: z.coerce.number() }),
})

const rewraps = defineQuery({
  name: 'test_rewraps',
  sql: "SELECT actor, details FROM audit_log_v1 WHERE action = 'master-key.rewrap' ORDER BY seq",
  params: z.object({}),
  row: z.object({ actor: z.string(), details: z.string() }),
})
