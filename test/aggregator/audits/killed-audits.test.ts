import { afterAll, expect, test } from 'vitest'
import { MeterlineClient } from '../../support/clients/client.ts'
import { startServiceProcess } from '../../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService } from '../../support/worlds/test-service.ts'

const MONTHS = Array.from({ length: 10 }, (_, index) => `2025-${String(index + 1).padStart(2, '0')}`)
const directory = makeTemporaryDirectory()
afterAll(() => directory.remove())

test('P3: a service that is killed during its daily audits stores no wrong result, and the next one audits the remaining days', async () => {
  const filled = await startTestService({ DATA_DIR: directory.path })
  // The first run of the audits has no day to audit yet, and the next run is a minute away.
  await filled.client.createIngestKey()
  const { partnerId } = await filled.client.createPartner('Killed')
  await filled.client.registerProject('p', partnerId)
  await filled.client.send(
    MONTHS.flatMap((month) =>
      [1, 2].map((value) => ({ event_id: `${month}-${value}`, project_id: 'p', metric: 'ai_tokens', value, timestamp: `${month}-07T00:00:00Z` })),
    ),
  )
  await filled.stop()

  const storedAtKill: number[] = []
  for (let kills = 0; kills < 2; kills += 1) {
    const killed = await startServiceProcess({ DATA_DIR: directory.path })
    const client = new MeterlineClient(killed.url, killed.adminToken)
    const before = storedAtKill.at(-1) ?? 0
    await untilSo(async () => (await storedAudits(client)).length > before)
    storedAtKill.push((await storedAudits(client)).length)
    await killed.kill()
    if (storedAtKill.at(-1) === MONTHS.length) break
  }
  expect(storedAtKill[0], 'the first kill came after all days were audited').toBeLessThan(MONTHS.length)

  const last = await startServiceProcess({ DATA_DIR: directory.path })
  const client = new MeterlineClient(last.url, last.adminToken)
  await untilSo(async () => (await storedAudits(client)).length === MONTHS.length)
  const equal = { accepted_events: '2', raw_events: '2', rollup_events: '2', partnership_events: '2', differences: '0' }
  expect(await storedAudits(client)).toMatchObject([...MONTHS].reverse().map((month) => ({ usage_date: `${month}-07`, ...equal })))
  expect((await client.audit()).body).toMatchObject({ events_recounted: '20', differences: [], partnership_differences: [] })
  await last.stop()
})

async function storedAudits(client: MeterlineClient): Promise<object[]> {
  return (await client.admin('GET', '/admin/v1/audits?limit=100')).body.audits
}
