import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExportAction } from '../../../contract/schedules.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startObjectReceiver } from '../../support/clients/object-receiver.ts'
import { DeliveredWorld, IN_MARCH } from '../../support/worlds/delivered-world.ts'

const SIGNATURE = 'X-Amz-Signature=a-credential-that-opens-the-bucket'
const HOOK = 'https://functions.example.com/sync'

let world: DeliveredWorld
let other: Credentials
let receiver: Awaited<ReturnType<typeof startObjectReceiver>>
beforeAll(async () => {
  world = await DeliveredWorld.open()
  other = await world.tested.client.createPartner('Other')
  receiver = await startObjectReceiver()
})
afterAll(async () => {
  await world.endTest()
  await receiver.stop()
  await world.close()
})

// biome-ignore lint/suspicious/noExplicitAny: tests compare what they read
const list = async (query: string): Promise<any> => (await world.tested.client.admin('GET', `/admin/v1/deliveries?${query}`)).body
const of = (action: Omit<ExportAction, 'to'>, to: ExportAction['to']): ExportAction => ({ ...action, to })

describe('the deliveries of a month', () => {
  test('each revision is listed with its schedule, object, hash, manifest and whether it is final, and no query of a URL', async () => {
    const created = await world.tested.client.admin('POST', '/api/schedules', { name: 'To finance', cronSchedule: '0 3 1 1 *', functionUrl: HOOK })
    const scheduleId = created.body.id
    const bucket = { url: `${receiver.url}/{name}?${SIGNATURE}` }
    expect(await world.deliver(of({ what: 'focus', period: 'last-month', format: 'parquet' }, bucket), { scheduleId })).toMatchObject({ status: 'succeeded' })
    const [object, manifest] = receiver.stored
    const answer = await world.tested.client.admin('GET', '/admin/v1/deliveries?month=2026-02')
    expect(answer.body).toEqual({
      deliveries: [
        {
          schedule_id: scheduleId,
          schedule_name: 'To finance',
          what: 'focus',
          partner_id: null,
          day: null,
          revision: '1',
          name: expect.stringMatching(/^focus\/month=2026-02\/all-[0-9a-f]{64}\.parquet$/),
          manifest: expect.stringMatching(/^focus\/month=2026-02\/all-[0-9a-f]{64}\.r1\.manifest\.json$/),
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          bytes: String(object?.bytes.length),
          billing_status: 'final',
          complete: true,
          delivered_at: expect.stringMatching(/Z$/),
          delivered_to: `${receiver.url}/{name}`,
        },
      ],
      next_cursor: null,
    })
    const [{ name, manifest: manifestName, sha256 }] = answer.body.deliveries
    expect([object?.name, manifest?.name].map((each) => each?.split('?')[0])).toEqual([name, manifestName])
    expect(JSON.parse(manifest?.bytes.toString() ?? '')).toMatchObject({ name, sha256, focus_version: '1.3' })
    expect(answer.text).not.toContain('Signature')
    await world.tested.client.admin('DELETE', `/api/schedules/${scheduleId}`)
    expect((await list('month=2026-02')).deliveries).toMatchObject([{ schedule_name: 'To finance' }])
  })

  test('an open month and days of usage are provisional; a delivery whose manifest did not arrive is not complete', async () => {
    const folder = world.newFolder()
    await world.deliver(of({ what: 'usage', period: 'yesterday', format: 'ndjson' }, { folder }), { scheduleId: 'daily', dueMs: Date.UTC(2026, 2, 8, 2) })
    await world.deliver(of({ what: 'statements', period: 'this-month', format: 'csv' }, { folder }), { scheduleId: 'monthly' })
    const failing = await startObjectReceiver((name) => (name.endsWith('.manifest.json') ? '500' : 'none'))
    world.onEnd(failing.stop)
    await world.deliver(of({ what: 'focus', focus: '1.2', period: 'this-month', format: 'csv' }, { url: failing.url }), { scheduleId: 'failing' })
    expect((await list('month=2026-03')).deliveries).toMatchObject([
      { schedule_id: 'failing', schedule_name: null, what: 'focus', name: expect.stringMatching(/^focus-1\.2\/month=/), complete: false },
      { what: 'statements', day: null, billing_status: 'provisional', complete: true, delivered_to: folder },
      { what: 'usage', day: '2026-03-07', billing_status: 'provisional', complete: true, delivered_to: folder },
    ])
  })

  test('a partner filters to its own files and those of all partners', async () => {
    const { partnerId } = world.partner
    const action = { what: 'statements', period: 'last-month', format: 'json' } as const
    await world.deliver(of({ ...action, partner: partnerId }, { folder: world.newFolder() }), { scheduleId: 'own' })
    await world.deliver(of({ ...action }, { folder: world.newFolder() }), { scheduleId: 'whole' })
    const shown = async (query: string) =>
      (await list(`month=2026-02&${query}`)).deliveries
        .filter(({ what }: { what: string }) => what === 'statements')
        .map(({ partner_id }: { partner_id: string | null }) => partner_id)
        .sort()
    expect(await shown('')).toEqual([null, partnerId].sort())
    expect(await shown(`partner=${partnerId}`)).toEqual([null, partnerId].sort())
    expect(await shown(`partner=${other.partnerId}`)).toEqual([null])
    expect((await list('month=2026-02&partner=ps_unknown')).code).toBe('PARTNER_NOT_FOUND')
  })

  test('pages list each revision once, newest revision first, whatever the size of a page', async () => {
    const folder = world.newFolder()
    const action: ExportAction = { what: 'usage', period: 'this-month', format: 'json', to: { folder } }
    for (const nth of [1, 2, 3]) {
      const event = { event_id: `page-${nth}`, project_id: 'quoted', metric: 'ai_tokens', value: nth, timestamp: '2026-03-11T10:00:00Z' }
      await world.tested.client.send([event])
      await world.deliver(action, { scheduleId: 'revised', dueMs: IN_MARCH + nth })
    }
    const whole = (await list('month=2026-03&limit=100')).deliveries
    expect(whole.filter(({ schedule_id }: { schedule_id: string }) => schedule_id === 'revised').map(({ revision }: { revision: string }) => revision)).toEqual(
      ['3', '2', '1'],
    )
    for (const limit of [1, 2, 4]) {
      const paged: unknown[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await list(`month=2026-03&limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`)
        paged.push(...page.deliveries)
        cursor = page.next_cursor
      }
      expect(paged).toEqual(whole)
    }
    const { next_cursor } = await list('month=2026-03&limit=1')
    expect((await list(`month=2026-02&limit=1&cursor=${next_cursor}`)).code).toBe('CURSOR_INVALID')
  })

  test('a month is required, and a mistake in it is named', async () => {
    expect(await list('')).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('month') })
    expect(await list('month=2026-13')).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('month') })
    expect(await list('month=2019-01')).toEqual({ deliveries: [], next_cursor: null })
  })
})
