import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AuditEntry } from '../../contract/audit-chain.ts'
import { verifyAuditChain } from '../../contract/audit-chain.ts'
import { listAuditEntries, SERVICE } from '../../registry/audit-log.ts'
import { RegistryChanges } from '../../registry/changes.ts'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { QUERY_WAS_CANCELLED_CODE, StoreError } from '../../sql/errors.ts'
import { migrate } from '../../sql/migrate.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/engines/clickhouse-server.ts'
import { untilSo } from '../support/until-so.ts'

let server: TestClickHouse
const stores: ClickHouse[] = []
beforeAll(async () => {
  server = await clickHouseForTests()
})
afterAll(async () => {
  for (const store of stores) await store.close()
  await server.stop()
})

describe('processes that change the registry concurrently', () => {
  test.each([
    { processes: 2, each: 12 },
    { processes: 3, each: 8 },
    { processes: 5, each: 6 },
  ])(
    '$processes processes with $each changes each all complete, decide on what the others have written, and write one chain of audit entries',
    async ({ processes, each }) => {
      const [one, ...others] = await openProcesses(processes)
      const running = [one, ...others]
      const ids = running.map((_, process) => Array.from({ length: each }, (_, nth) => `${process}/${nth}`))
      const counted = await Promise.all(running.flatMap((one, process) => ids[process]?.map((id) => countUp(one, id)) ?? []))
      // Every change saw all earlier ones, so no two were decided on the same state.
      expect(counted.toSorted((a, b) => a - b)).toEqual(Array.from({ length: processes * each }, (_, index) => index + 1))
      const entries = await entriesOf(one)
      expect(await verifyAuditChain(streamed(entries))).toMatchObject({ status: 'whole', entries: entries.length })
      // A change that was pre-empted between its entry and its rows has two entries; every change has at least one.
      expect(new Set(entries.map(({ subject }) => subject))).toEqual(new Set(ids.flat()))
    },
    180_000,
  )

  test('a change that another process kills while it writes its rows is decided again and lands once', async () => {
    const [slow, ...[quick = slow]] = await openProcesses(2)
    for (const statement of SLOW_VIEW) await slow.store.control.command(statement)
    const ends: unknown[] = []
    const changing = countUp(slow, 'slow', (thrown) => ends.push(thrown instanceof StoreError ? thrown.code : thrown))
    await untilSo(async () => (await slow.store.reads.query(writesInProgress, {})).length > 0)
    const quickly = countUp(quick, 'quick')
    expect((await Promise.all([changing, quickly])).toSorted()).toEqual([1, 2])
    expect(ends).toEqual([QUERY_WAS_CANCELLED_CODE])
    expect(await slow.store.reads.query(accounts, {})).toHaveLength(2)
    expect(await verifyAuditChain(streamed(await entriesOf(quick)))).toMatchObject({ status: 'whole' })
  })
})

interface Process {
  readonly store: ClickHouse
  readonly changes: RegistryChanges
}

/** Each process has its own connections; all use one database. */
async function openProcesses(count: number): Promise<[Process, ...Process[]]> {
  const url = server.newDatabase()
  const first = await openProcess(url)
  await migrate(first.store)
  const others: Process[] = []
  while (others.length < count - 1) others.push(await openProcess(url))
  return [first, ...others]
}

/** Changes get more time than in a service, because the machine of the tests may be slow. */
async function openProcess(url: string): Promise<Process> {
  const store = await openClickHouse({ engine: 'server', url })
  stores.push(store)
  return { store, changes: new RegistryChanges(store, { changeMsMax: 120_000 }) }
}

/** Adds an account numbered by how many there are: a change that must see every earlier one. */
function countUp({ store, changes }: Process, id: string, onThrown: (thrown: unknown) => void = () => {}): Promise<number> {
  return changes.run(SERVICE, async (change) => {
    const known = await store.registry.query(accounts, {})
    const mine = known.find(({ accountId }) => accountId === id)
    if (mine !== undefined) return Number(mine.name)
    const next = known.length + 1
    await change.note({ action: 'test.count', subject: id })
    const columns = ['account_id', 'revision', 'partner_id', 'email', 'name', 'plan', 'created_ms']
    const written = change.write('accounts_inbox_v1', columns, (owner) => row([...owner, id, 1, 'p', '', String(next), 'free', 0]))
    await written.catch((thrown: unknown) => {
      onThrown(thrown)
      throw thrown
    })
    return next
  })
}

const accounts = defineQuery({
  name: 'test_accounts',
  sql: `SELECT account_id AS accountId, name FROM accounts_v1 FINAL`,
  params: z.object({}),
  row: z.object({ accountId: z.string(), name: z.string() }),
})

/** A second view on the accounts' inbox that takes 3 s for the first account. */
const SLOW_VIEW = [
  'CREATE TABLE slow_accounts_v1 (name String) ENGINE = MergeTree ORDER BY name',
  `CREATE MATERIALIZED VIEW slow_accounts_mv_v1 TO slow_accounts_v1 AS
   SELECT name FROM accounts_inbox_v1 WHERE if(name = '1', sleepEachRow(3), 0) = 0`,
]

const writesInProgress = defineQuery({
  name: 'test_writes_in_progress',
  sql: `SELECT query_id FROM system.processes WHERE current_database = currentDatabase() AND query LIKE 'INSERT INTO accounts_inbox_v1 %'`,
  params: z.object({}),
  row: z.object({ query_id: z.string() }),
})

function entriesOf({ store }: Process): Promise<AuditEntry[]> {
  return listAuditEntries(store, { newestFirst: false, action: '', subject: '', limit: 1_000 })
}

async function* streamed(entries: readonly AuditEntry[]): AsyncIterable<AuditEntry> {
  yield* entries
}
