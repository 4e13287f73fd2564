import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HTTP_LOG } from '../../../ingest/http/http-log.ts'
import { findLiveOwner, OWNER_TIMEOUT_MS } from '../../../ingest/log/watermark.ts'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { MeterlineClient, type TestEvent } from '../../support/clients/client.ts'
import { clickHouseForTests, startClickHouseServer, type TestClickHouse } from '../../support/engines/clickhouse-server.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../../support/engines/service-process.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { billOf, HAND_COMPUTED } from '../../support/worlds/bill.ts'
import { startTestService } from '../../support/worlds/test-service.ts'

const SECRETS = { ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef', MASTER_KEY: randomBytes(32).toString('base64') }

let server: TestClickHouse
const started: ServiceProcess[] = []
beforeAll(async () => {
  server = await clickHouseForTests()
})
afterAll(async () => {
  for (const service of started) await service.kill() // what a failed test left running or stopped
  await server.stop()
})

async function start(environment: Record<string, string>): Promise<ServiceProcess> {
  const service = await startServiceProcess(environment)
  started.push(service)
  return service
}

/** A new database, and the environment of every process that uses it. */
function newStore() {
  const url = server.newDatabase()
  const environment = { ...SECRETS, CLICKHOUSE_URL: url }
  return { environment, open: () => openClickHouse({ engine: 'server', url }) }
}

test('P8: the bill from a ClickHouse server is byte-identical to the bill from the embedded engine', async () => {
  const { environment, open } = newStore()
  const onServer = await startTestService(environment)
  const embedded = await startTestService()
  expect(onServer.service.clickhouse.engine).toBe('server')
  const bill = await billOf(onServer.client)
  expect(bill).toMatchObject(HAND_COMPUTED)
  expect(await billOf(embedded.client)).toEqual(bill)
  await embedded.stop()
  await onServer.stop()
  const clickhouse = await open()
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  await clickhouse.close()
})

describe.concurrent('one owner of the http log', () => {
  test('a second process exits with code 1 and names the first; after the first has stopped, the next one starts immediately', async () => {
    const { environment } = newStore()
    const first = await start(environment)
    const second = await runMeterline(['start'], environment)
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(new RegExp(`This ClickHouse database is written to by \\S+ \\(process ${first.child.pid}\\), which is alive`))

    const client = await clientOf(first)
    expect((await client.send([event('before', 1)])).body).toMatchObject({ accepted: '1' })
    expect(await first.stop()).toBe(0)
    const next = await start(environment)
    expect((await (await clientOf(next)).send([event('before', 1), event('after', 2)])).body).toMatchObject({ accepted: '1', duplicates: '1' })
    expect(await next.stop()).toBe(0)
  })

  test('P1 P2: after kill -9 a new process does not start until the owner has been silent for 15 s, then it takes over the log', async () => {
    const { environment, open } = newStore()
    const first = await start(environment)
    expect((await (await clientOf(first)).send([event('one', 1)])).body).toMatchObject({ accepted: '1' })
    await first.kill()
    const killedMs = Date.now()
    const early = await start(environment).catch(String)
    if (typeof early === 'string') expect(early).toContain(`(process ${first.child.pid}), which is alive. Stop that process first (after a crash, wait 15 s)`)
    else {
      // On a slow machine the start alone may take so long; the owner gave its last sign of life some seconds before the kill.
      expect(Date.now() - killedMs).toBeGreaterThan(OWNER_TIMEOUT_MS / 2)
      await early.stop()
    }

    const clickhouse = await open()
    await untilOwnerTimeout(clickhouse)
    const next = await start(environment)
    expect((await (await clientOf(next)).send([event('one', 1), event('two', 2)])).body).toMatchObject({ accepted: '1', duplicates: '1' })
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
    await clickhouse.close()
    await next.stop()
  })

  test('P2: an owner that was suspended and taken over changes nothing when it wakes up, answers 503 and exits with code 1', async () => {
    const { environment, open } = newStore()
    const sleeper = await start(environment)
    const oldClient = await clientOf(sleeper)
    expect((await oldClient.send([event('one', 1)])).body).toMatchObject({ accepted: '1' })
    sleeper.child.kill('SIGSTOP')
    // Sent while the owner is suspended: it is read when the owner wakes up, long after the log was taken over.
    const late = oldClient.send([event('late', 1000)]).then(
      ({ status }) => status,
      () => 503, // the process may end before it has answered
    )

    const clickhouse = await open()
    await untilOwnerTimeout(clickhouse)
    const next = await start(environment)
    const newClient = await clientOf(next)
    expect((await newClient.send([event('two', 2)])).body).toMatchObject({ accepted: '1' })
    const exited = once(sleeper.child, 'exit')
    sleeper.child.kill('SIGCONT')
    expect(await late).toBe(503)
    expect(await exited).toEqual([1, null])

    expect((await newClient.audit()).body).toMatchObject({ differences: [], events_recounted: '2' })
    expect((await newClient.send([event('one', 1), event('two', 2), event('late', 1000)])).body).toMatchObject({ accepted: '1', duplicates: '2' })
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
    await clickhouse.close()
    await next.stop()
  })

  test('P1 P6: while the ClickHouse server is down events and usage are answered 503 and nothing is acknowledged; afterwards all of it recovers automatically', async () => {
    const directory = makeTemporaryDirectory()
    const engine = await startClickHouseServer({ dataDir: directory.path })
    const service = await start({ ...SECRETS, CLICKHOUSE_URL: engine.url })
    const client = await clientOf(service)
    const partner = await client.createPartner('Down')
    await client.registerProject('p', partner.partnerId)
    expect((await client.send([event('one', 1)])).body).toMatchObject({ accepted: '1' })
    const usage = () => client.projectUsage(partner, 'p', '2026-03-01', '2026-03-31')
    expect((await usage()).body.summary.total_ai_tokens).toBe('1')

    await engine.kill()
    for (const answer of [
      await client.send([event('one', 1), event('two', 2)]),
      await usage(),
      await client.partnershipUsage(partner, '2026-03-01', '2026-03-31'),
    ]) {
      expect(answer.status).toBe(503)
      expect(answer.body).toMatchObject({ success: false })
      expect(answer.text).not.toContain('summary')
    }
    await untilSo(async () => (await client.call('GET', '/readyz')).status === 503)
    expect((await client.call('GET', '/healthz')).status).toBe(200)

    const again = await startClickHouseServer({ dataDir: directory.path, port: Number(new URL(engine.url).port) })
    await untilSo(async () => (await client.call('GET', '/readyz')).status === 200)
    expect((await usage()).body.summary.total_ai_tokens).toBe('1')
    expect((await client.send([event('one', 1), event('two', 2)])).body).toMatchObject({ accepted: '1', duplicates: '1' })
    expect((await usage()).body.summary.total_ai_tokens).toBe('3')
    expect((await client.audit()).body).toMatchObject({ differences: [], events_recounted: '2' })
    expect(await service.stop()).toBe(0)
    await again.kill()
    directory.remove()
  })
})

async function clientOf(service: ServiceProcess): Promise<MeterlineClient> {
  const client = new MeterlineClient(service.url, service.adminToken)
  await client.createIngestKey()
  return client
}

function event(event_id: string, value: number): TestEvent {
  return { event_id, project_id: 'p', metric: 'ai_tokens', value, timestamp: '2026-03-05T12:00:00Z' }
}

async function untilOwnerTimeout(clickhouse: ClickHouse): Promise<void> {
  await untilSo(async () => (await findLiveOwner(clickhouse.control, HTTP_LOG, OWNER_TIMEOUT_MS)) === undefined)
}
