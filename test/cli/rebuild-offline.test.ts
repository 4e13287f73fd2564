import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openClickHouse } from '../../sql/clickhouse.ts'
import { MeterlineClient } from '../support/clients/client.ts'
import { runMeterline, startServiceProcess } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { storeInDoubt } from '../support/worlds/store-in-doubt.ts'

/** Puts the rollup ahead of raw. Reconciling can only add, and adding cannot lower a peak. */
const AHEAD = `INSERT INTO project_usage_per_day_v1 (project_id, usage_date, metric, log, peak, total, events, last_event_at) SETTINGS async_insert=0
  SELECT 'p', toDate('2026-03-01'), 'ai_tokens', 'http', toDecimal128(9, 9), toDecimal256(9, 9), 1, toDateTime64('2026-03-01 00:00:00', 3)`

test('P3: a service that does not start because its rollup is ahead of raw starts again after an offline rebuild', async () => {
  const directory = makeTemporaryDirectory()
  const first = await startServiceProcess({ DATA_DIR: directory.path })
  const client = new MeterlineClient(first.url, first.adminToken)
  await client.createIngestKey()
  await client.send([{ event_id: '1', project_id: 'p', metric: 'ai_tokens', value: 5, timestamp: '2026-03-01T00:00:00Z' }])
  const offline = () => runMeterline(['rebuild', '--offline', '--month', '2026-03'], { DATA_DIR: directory.path })
  expect(await offline()).toMatchObject({ code: 1, stderr: expect.stringContaining(`is in use by process ${first.child.pid}. Stop that process`) })
  expect(await first.stop()).toBe(0)
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: join(directory.path, 'clickhouse') })
  // A start reads the days of the range in doubt alone.
  await storeInDoubt(clickhouse, [{ event_id: '2', project_id: 'p', metric: 'ai_tokens', value: 1, timestamp: '2026-03-01T01:00:00Z' }])
  await clickhouse.control.command(AHEAD)
  await clickhouse.close()

  const { code, stderr } = await runMeterline(['start'], { DATA_DIR: directory.path, PORT: '0' })
  expect([code, stderr]).toEqual([1, expect.stringContaining('Run "meterline rebuild --month 2026-03", with --offline if no service starts')])
  expect(await offline()).toMatchObject({ code: 0, stdout: 'The rollup of 2026-03 is rebuilt: 2 events, 1 daily total.\n1 daily total differed before.\n' })
  const again = await startServiceProcess({ DATA_DIR: directory.path })
  expect((await new MeterlineClient(again.url, again.adminToken).audit()).body).toMatchObject({ differences: [], events_recounted: '2' })
  expect(await again.stop()).toBe(0)
  directory.remove()
}, 240_000)
