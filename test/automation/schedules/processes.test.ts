import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSchedule, updateSchedule } from '../../../automation/schedules/change-schedules.ts'
import { readExecutions, runIdOf } from '../../../automation/schedules/schedule-runs.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import type { Registry } from '../../../registry/registry.ts'
import { createSecret } from '../../../registry/secrets/change-secrets.ts'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { clickHouseForTests, type TestClickHouse } from '../../support/engines/clickhouse-server.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../../support/engines/service-process.ts'
import { untilSo } from '../../support/until-so.ts'
import { A_CALL, LOOPBACK } from '../../support/worlds/scheduled-world.ts'
import { openTestRegistry, TEST_MASTER_KEY } from '../../support/worlds/test-registry.ts'

const SECOND_MS = 1_000

let server: TestClickHouse
let clickhouse: ClickHouse
let registry: Registry
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
const running: ServiceProcess[] = []

const start = async () => {
  const url = server.ofPart?.aggregate ?? server.newDatabase()
  const environment = { CLICKHOUSE_URL: url, MASTER_KEY: TEST_MASTER_KEY, OUTGOING_ALLOW: '127.0.0.0/8', ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef' }
  const started = await startServiceProcess(environment, 'aggregate')
  running.push(started)
  return started
}

beforeAll(async () => {
  server = await clickHouseForTests()
  expect(await runMeterline(['migrate'], { CLICKHOUSE_URL: server.ofPart?.migrate ?? '' })).toMatchObject({ code: 0 })
  clickhouse = await openClickHouse({ engine: 'server', url: server.ofPart?.api ?? '' })
  registry = await openTestRegistry(clickhouse)
  receiver = await startWebhookReceiver()
})
afterAll(async () => {
  for (const each of running) await each.stop()
  await receiver?.stop()
  await clickhouse?.close()
  await server?.stop()
})

/** The database users belong to the server of the tests. */
const onOurServer = process.env['CLICKHOUSE_URL'] === undefined ? test : test.skip

onOurServer(
  'of two aggregate processes one runs the schedules; after kill -9 the other one runs every due time, under one id each, with its own database user',
  async () => {
    await createSecret(registry, SERVICE, { key: 'KEPT', value: 'the value', isReserved: false, expiresMs: null })
    const store = { clickhouse, changes: registry.changes, allowed: LOOPBACK, exportDir: undefined, now: Date.now }
    const headers = { 'x-key': `$\{{secrets.KEPT}}` }
    const definition = { ...A_CALL, cronSchedule: '1 seconds', functionUrl: receiver.url, headers }
    const first = await start()
    const created = await createSchedule(store, SERVICE, { name: 'every second', isActive: true, definition })
    if (created.status !== 'created') throw new Error('The schedule was not created.')
    const { id: scheduleId } = created.schedule
    await untilSo(async () => receiver.requests.length >= 3)
    await start()
    await first.kill()
    const killedMs = Date.now()
    const executions = async () => (await readExecutions(clickhouse, { scheduleId, limit: 1_000, offset: 0 })).rows
    await untilSo(async () => (await executions()).some(({ dueMs }) => dueMs > killedMs + SECOND_MS))
    await updateSchedule(store, SERVICE, scheduleId, { isActive: false, definition: {} })
    // The one that is left completes what it has begun.
    await running.at(-1)?.stop()
    const rows = [...(await executions())].reverse()
    const due = rows.map(({ dueMs }) => dueMs)
    expect(due).toEqual(due.map((_, index) => (due[0] ?? 0) + index * SECOND_MS))
    expect(rows.filter(({ state }) => state !== 'succeeded')).toEqual([])
    const received = new Set(receiver.requests.map((request) => request.headers['webhook-id']))
    expect([...received].sort()).toEqual(due.map((dueMs) => runIdOf({ scheduleId, dueMs })).sort())
    expect(receiver.requests.filter((request) => request.headers['x-key'] !== 'the value')).toEqual([])
  },
  180_000,
)
