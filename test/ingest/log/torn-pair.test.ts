import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { readMigrations } from '../../../sql/migrate.ts'
import { MeterlineClient, type TestEvent } from '../../support/clients/client.ts'
import { type ServiceProcess, startServiceProcess } from '../../support/engines/service-process.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { storeInDoubt } from '../../support/worlds/store-in-doubt.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const VIEW = 'project_usage_per_day_mv_v1'
const directory = makeTemporaryDirectory()
let tested: TestService | undefined
beforeAll(async () => {
  tested = await startTestService({ DATA_DIR: directory.path })
})
afterAll(async () => {
  await tested?.stop()
  directory.remove()
})

test('P3: a rollup that lacks a batch of raw is repaired at the next start, and a second start changes nothing', async () => {
  const client = tested?.client
  if (client === undefined) throw new Error('not started')
  const partner = await client.createPartner('Torn')
  await client.registerProject('torn', partner.partnerId)
  const adminToken = client.adminToken
  await tested?.stop()
  tested = undefined

  // The real writer without the rollup's view: this is exactly the state that a kill between the two parts leaves.
  await withStore(async (clickhouse) => {
    await clickhouse.control.command(`DROP VIEW ${VIEW}`)
    await storeInDoubt(clickhouse, events('a', 3))
    await createView(clickhouse)
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 3 })
  })

  for (const expectedRepairs of [3, 0]) {
    const again = await startTestService({ DATA_DIR: directory.path })
    expect(again.client.adminToken).toBe(adminToken)
    expect(await compareRawWithRollup(again.service.clickhouse)).toEqual({ ahead: 0, behind: 0 })
    const metrics = await (await fetch(`${again.service.url}/metrics`)).text()
    expect(metrics).toContain(`meterline_rollup_repaired_keys_total{log="http"} ${expectedRepairs}`)
    expect((await again.client.projectUsage(partner, 'torn', '2026-01-01', '2026-04-30')).body.summary.total_ai_tokens).toBe('6')
    expect((await again.client.audit()).body.differences).toEqual([])
    await again.stop()
  }
})

test('P3: a kill between the two parts leaves raw without its rollup, never the reverse, and the next start repairs it', async () => {
  // A slow view makes the time between raw's part and the rollup's part long enough for a kill.
  await withStore(async (clickhouse) => {
    const [statement] = await viewStatement()
    await clickhouse.control.command(`DROP VIEW ${VIEW}`)
    await clickhouse.control.command(statement.replace('FROM raw_usage_events_v1', 'FROM raw_usage_events_v1 WHERE sleepEachRow(1) = 0'))
  })
  let service: ServiceProcess = await startServiceProcess({ DATA_DIR: directory.path })
  const client = new MeterlineClient(service.url, service.adminToken)
  const ingestKey = await client.createIngestKey()
  const unanswered = client.send(events('b', 2)).catch((error: unknown) => error)
  await untilInserting(service)
  await service.kill()
  expect(await unanswered).toBeInstanceOf(Error)
  await withStore(async (clickhouse) => {
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 2 })
    await clickhouse.control.command(`DROP VIEW ${VIEW}`)
    await createView(clickhouse)
  })
  service = await startServiceProcess({ DATA_DIR: directory.path })
  const again = new MeterlineClient(service.url, service.adminToken)
  again.ingestKey = ingestKey
  expect((await again.send(events('b', 2))).body).toMatchObject({ accepted: '0', duplicates: '2' })
  await service.stop()
  await withStore(async (clickhouse) => {
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  })
})

/** One event for each month, so that each is a separate part. */
function events(name: string, months: number): TestEvent[] {
  return Array.from({ length: months }, (_, month) => ({
    event_id: `${name}-${month}`,
    project_id: 'torn',
    metric: 'ai_tokens',
    value: month + 1,
    timestamp: `2026-0${month + 1}-10T00:00:00Z`,
  }))
}

async function withStore(work: (clickhouse: ClickHouse) => Promise<void>): Promise<void> {
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: join(directory.path, 'clickhouse') })
  try {
    await work(clickhouse)
  } finally {
    await clickhouse.close()
  }
}

async function createView(clickhouse: ClickHouse): Promise<void> {
  const [statement] = await viewStatement()
  await clickhouse.control.command(statement)
}

/** The statement of the migration that creates the view. */
async function viewStatement(): Promise<[string]> {
  const statements = (await readMigrations()).flatMap((migration) => migration.statements)
  const found = statements.find((statement) => statement.startsWith(`CREATE MATERIALIZED VIEW IF NOT EXISTS ${VIEW} `))
  if (found === undefined) throw new Error(`No migration creates ${VIEW}.`)
  return [found]
}

/** Waits until a batch has been in flight for a while: raw's parts are on disk, and the slow view has not written the rollup's yet. */
async function untilInserting({ url }: ServiceProcess): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    if (Number(/^meterline_batch_in_flight_seconds\{log="http"\} ([\d.]+)/m.exec(metrics)?.[1]) > 0.5) return
  }
}
