import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let service: TestService
let partner: Credentials

const IMAGES = { kind: 'cumulative', unit: 'image', description: 'Images generated.' }
const define = (name: string, body: object) => service.client.admin('PUT', `/admin/v1/metrics/${name}`, body)

beforeAll(async () => {
  service = await startTestService()
  await service.client.createIngestKey()
  partner = await service.client.createPartner('Acme')
  await service.client.registerProject('red', partner.partnerId)
  await service.client.registerProject('blue', partner.partnerId)
  await define('images', { ...IMAGES, labels: ['region', 'model'] })
  await define('seats', { ...IMAGES, kind: 'peak', unit: 'seat', labels: ['model'] })
})
afterAll(() => service.stop())

let sent = 0
interface Sent {
  readonly metric?: string
  readonly day?: string
  readonly project?: string
  readonly labels?: unknown
}

function event(value: string, { metric = 'images', day = '2026-01-31', project = 'red', labels }: Sent) {
  sent += 1
  return { event_id: `e${sent}`, project_id: project, metric, value, timestamp: `${day}T12:00:00Z`, ...(labels === undefined ? {} : { labels }) }
}

/** The groups of one metric in a month, as `label/label value`. */
async function groups(metric: string, month: string, { project, by = 'model' }: { project?: string; by?: string } = {}) {
  const query = `/usage?start_date=${month}-01&end_date=${month}-28&group_by=${by}`
  const { body } = await service.client.partner(partner, 'GET', project === undefined ? query : `/${project}${query}`)
  const found = body.groups.find((each: { metric: string }) => each.metric === metric)
  const values = found.values.map((each: { labels: Record<string, string | null>; value: string }) => `${Object.values(each.labels).join('/')} ${each.value}`)
  return { body, found, values }
}

describe('usage by labels', () => {
  test('the groups of a sum add up to the total, with usage without the label in a group of its own', async () => {
    await service.client.send([
      event('5', { day: '2026-02-03', labels: { model: 'large', region: 'eu' } }),
      event('0.000000001', { day: '2026-02-04', labels: { region: 'us', model: 'large' } }),
      event('3', { day: '2026-02-03', labels: { model: 'small "é"\t' } }),
      event('2', { day: '2026-02-03', labels: { model: 'small "é"' } }),
      event('1', { day: '2026-02-03' }),
      event('7', { day: '2026-02-03', project: 'blue', labels: { model: 'small "é"' } }),
    ])
    const { found, body, values } = await groups('images', '2026-02', { project: 'red' })
    expect(found).toMatchObject({ kind: 'cumulative', unit: 'image', adds_up: true, truncated: false })
    // A tab is no plain text, so that label does not count and the event is in the group without it.
    expect(values).toEqual(['large 5.000000001', ' 4', 'small "é" 2'])
    expect(body.metrics.images.value).toBe('11.000000001')
    expect((await groups('images', '2026-02', { project: 'red', by: 'region' })).values).toEqual([' 6', 'eu 5', 'us 0.000000001'])
    expect((await groups('images', '2026-02', { by: 'region,model' })).values).toEqual(['/small "é" 9', 'eu/large 5', '/ 4', 'us/large 0.000000001'])
    expect((await groups('images', '2026-02')).values).toEqual(['small "é" 9', 'large 5.000000001', ' 4'])
  })
})
