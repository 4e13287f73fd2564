import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { verifyAuditChain } from '../../registry/audit-chain.ts'
import { type AuditEntry, listAuditEntries, SERVICE } from '../../registry/audit-log.ts'
import { RegistryChanges } from '../../registry/changes.ts'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { migrate } from '../../sql/migrate.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/clickhouse-server.ts'

let server: TestClickHouse
const stores: ClickHouse[] = []
beforeAll(async () => {
  server = await clickHouseForTests()
  const url = server.newDatabase()
  for (let process = 0; process < 2; process += 1) stores.push(await openClickHouse({ engine: 'server', url }))
  await migrate(storeOf(0))
})
afterAll(async () => {
  for (const store of stores) await store.close()
  await server.stop()
})

describe('two processes that change the registry at once', () => {
  const CHANGES = 30

  test('both come to an end, decide on what the other has written, and note one chain', async () => {
    const processes = stores.map((store) => ({ store, changes: new RegistryChanges(store) }))
    const asked = processes.flatMap(({ store, changes }, process) => Array.from({ length: CHANGES }, (_, nth) => countUp(store, changes, `${process}/${nth}`)))
    const counted = await Promise.all(asked)
    // Each saw what was there, so none was decided on the same as another.
    expect(counted.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2 * CHANGES }, (_, index) => index + 1))
    const entries = await listAuditEntries(storeOf(0), { newestFirst: false, action: '', subject: '', limit: 1_000 })
    expect(await verifyAuditChain(each(entries))).toMatchObject({ status: 'whole', entries: entries.length })
    // A change that was overtaken between its entry and its rows has one more; none has none.
    const subjects = new Set(entries.map(({ subject }) => subject))
    expect(subjects).toEqual(new Set([0, 1].flatMap((process) => Array.from({ length: CHANGES }, (_, nth) => `${process}/${nth}`))))
  })
})

/** One more account of a partner, numbered by how many there are: a change that must see the one before. */
function countUp(store: ClickHouse, changes: RegistryChanges, id: string): Promise<number> {
  return changes.run(SERVICE, async (change) => {
    const known = await store.registry.query(accounts, {})
    const mine = known.find(({ accountId }) => accountId === id)
    if (mine !== undefined) return Number(mine.name)
    const next = known.length + 1
    await change.note({ action: 'test.count', subject: id })
    const columns = ['account_id', 'revision', 'partner_id', 'email', 'name', 'plan', 'created_ms']
    await change.write('accounts_inbox_v1', columns, (owner) => row([...owner, id, 1, 'p', '', String(next), 'free', 0]))
    return next
  })
}

const accounts = defineQuery({
  name: 'test_accounts',
  sql: `SELECT account_id AS accountId, name FROM accounts_v1 FINAL`,
  params: z.object({}),
  row: z.object({ accountId: z.string(), name: z.string() }),
})

function storeOf(process: number): ClickHouse {
  const store = stores[process]
  if (store === undefined) throw new Error('There is no such process.')
  return store
}

async function* each(entries: readonly AuditEntry[]): AsyncIterable<AuditEntry> {
  yield* entries
}
