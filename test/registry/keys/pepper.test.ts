import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { SERVICE } from '../../../registry/audit-log.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { authenticatePartner } from '../../../registry/credentials/partner-secrets.ts'
import type { Registry } from '../../../registry/registry.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { openTestRegistry } from '../../support/worlds/test-registry.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

test('a process whose pepper arrives after that of another process uses the first one', async () => {
  const { clickhouse } = store
  const { registry } = clickhouse
  let first: Registry | undefined
  const insert: typeof registry.insert = async (each) => {
    first ??= await openTestRegistry(clickhouse)
    return registry.insert(each)
  }
  const second = await openTestRegistry({ ...clickhouse, registry: { ...registry, insert } })
  expect(first?.pepper.equals(second.pepper)).toBe(true)
  expect(await clickhouse.control.query(sealedKeyNames, {})).toEqual([{ name: 'pepper' }])
})

test('a start with stored credentials but without their pepper fails instead of creating another pepper, which would invalidate them', async () => {
  const { clickhouse } = store
  const registry = await openTestRegistry(clickhouse)
  const { partner, secret } = await createPartner(registry, SERVICE, { name: 'Here', mode: 'white-label' })
  // As after a partial restore.
  await clickhouse.control.command('CREATE TABLE IF NOT EXISTS saved_sealed_keys_v1 AS sealed_keys_v1')
  await clickhouse.control.command('INSERT INTO saved_sealed_keys_v1 SELECT * FROM sealed_keys_v1')
  await clickhouse.control.command('TRUNCATE TABLE sealed_keys_v1')
  await expect(openTestRegistry(clickhouse)).rejects.toThrow(/sealed_keys_v1 has lost the pepper.*Restore the table/)
  await clickhouse.control.command('INSERT INTO sealed_keys_v1 SELECT * FROM saved_sealed_keys_v1')
  expect(await authenticatePartner(await openTestRegistry(clickhouse), partner.id, secret)).toMatchObject({ id: partner.id })
})

const sealedKeyNames = defineQuery({
  name: 'test_sealed_key_names',
  sql: 'SELECT name FROM sealed_keys_v1',
  params: z.object({}),
  row: z.object({ name: z.string() }),
})
