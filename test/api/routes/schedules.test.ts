import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { holdLane } from '../../support/engines/held-lane.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SECRET_VALUE = 'a-value-that-nobody-may-see-0123456789'
const template = (key: string) => `$\{{secrets.${key}}}`
const directory = makeTemporaryDirectory()
const logged: string[] = []

let tested: TestService
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  const settings = { OUTGOING_ALLOW: '127.0.0.1/32', EXPORT_DIR: directory.path, LOG_LEVEL: 'trace' }
  tested = await startTestService(settings, (line) => logged.push(line))
  receiver = await startWebhookReceiver((request, response) =>
    response.writeHead(request.url?.includes('echo') ? 418 : 200).end(JSON.stringify(request.headers)),
  )
})
afterAll(async () => {
  await receiver.stop()
  await tested.stop()
  directory.remove()
})

const call = (method: string, path = '', body?: unknown) => tested.client.admin(method, `/api/schedules${path}`, body)
const create = (more: object = {}) => call('POST', '', { name: 'n', cronSchedule: '0 0 1 1 *', functionUrl: receiver.url, ...more })
const untilExecuted = (id: string, count = 1) => untilSo(async () => Number((await call('GET', `/${id}/logs`)).body.totalCount) >= count)

describe('the Schedules API', () => {
  test('a schedule has the documented fields, and its log too', async () => {
    const created = await create({ timezone: 'America/New_York', body: { n: 1.5 }, headers: { 'x-own': 'yes' } })
    expect(created.status).toBe(201)
    const year = new Date().getUTCFullYear() + 1
    expect(created.body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'n',
      cronSchedule: '0 0 1 1 *',
      timezone: 'America/New_York',
      functionUrl: receiver.url,
      httpMethod: 'POST',
      headers: { 'x-own': 'yes' },
      body: { n: '1.5' },
      export: null,
      isActive: true,
      lastExecutedAt: null,
      lastSuccess: null,
      lastMessage: null,
      nextRun: `${year}-01-01T05:00:00Z`,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: created.body.createdAt,
    })
    const { id } = created.body
    const requested = await call('POST', `/${id}/run`)
    expect([requested.status, requested.body]).toEqual([202, { id: expect.stringMatching(/^run_[0-9a-f]{32}$/), scheduleId: id, dueAt: expect.any(String) }])
    await untilExecuted(id)
    const logs = await call('GET', `/${id}/logs?limit=1&offset=0`)
    expect(logs.body).toEqual({
      logs: [
        {
          id: requested.body.id,
          scheduleId: id,
          dueAt: requested.body.dueAt,
          executedAt: expect.any(String),
          statusCode: '200',
          success: true,
          durationMs: expect.any(String),
          message: 'Answered 200.',
        },
      ],
      limit: '1',
      offset: '0',
      totalCount: '1',
    })
    const last = { lastExecutedAt: logs.body.logs[0].executedAt, lastSuccess: true, lastMessage: 'Answered 200.' }
    expect((await call('GET', `/${id}`)).body).toMatchObject(last)
    expect((await call('GET', `/${id}/logs?offset=1`)).body).toMatchObject({ logs: [], totalCount: '1' })
    expect((await call('DELETE', `/${id}`)).body).toEqual({ success: true, message: 'Schedule n has been deleted successfully' })
    for (const path of [`/${id}`, `/${id}/logs`]) expect((await call('GET', path)).body).toMatchObject({ success: false, code: 'SCHEDULE_NOT_FOUND' })
  })

  test('a due time in real time is executed, and a paused schedule is not', async () => {
    const { id } = (await create({ cronSchedule: '1 seconds', httpMethod: 'GET' })).body
    await untilExecuted(id, 2)
    const paused = await call('PATCH', `/${id}`, { isActive: false })
    expect([paused.body.isActive, paused.body.nextRun]).toEqual([false, null])
    await call('DELETE', `/${id}`)
  })

  test('a schedule runs while a closing occupies the lane of long work', async () => {
    const { clickhouse } = tested.service
    const { work } = clickhouse
    const held = holdLane(work)
    Object.assign(clickhouse, { work: held.lane })
    const { id } = (await create()).body
    expect((await call('POST', `/${id}/run`)).status).toBe(202)
    await untilExecuted(id)
    held.release()
    Object.assign(clickhouse, { work })
    await call('DELETE', `/${id}`)
  })

  test('mistakes are answered with the field, and nothing is created', async () => {
    const before = (await call('GET')).body.schedules.length
    const answers = await Promise.all(
      [
        { cronSchedule: '* * * * * *' },
        { cronSchedule: 5 },
        { timezone: 'Nowhere/City' },
        { functionUrl: 'http://169.254.169.254/' },
        { functionUrl: 'http://2130706434/' },
        { httpMethod: 'TRACE' },
        { headers: { 'x-key': template('lower') } },
        { name: '' },
        { other: 1 },
        { export: { what: 'focus', period: 'last-month', format: 'csv', to: { folder: '../up' } }, functionUrl: undefined },
        { export: { what: 'focus', period: 'last-month', format: 'csv', to: { folder: '.meterline-delivery-x/y' } }, functionUrl: undefined },
        { export: { what: 'focus', period: 'last-month', format: 'csv', to: { url: 'https://b.example#{name}' } }, functionUrl: undefined },
        { export: { what: 'focus', period: 'last-month', format: 'csv', to: { url: 'https://b.example/{name}#top' } }, functionUrl: undefined },
      ].map((each) => create(each)),
    )
    expect(answers.map(({ status, body }) => [status, body.code, /^body\.?([\w.-]*)/.exec(body.message)?.[1]])).toEqual([
      [400, 'INVALID_REQUEST', 'cronSchedule'],
      [400, 'INVALID_REQUEST', 'cronSchedule'],
      [400, 'INVALID_REQUEST', 'timezone'],
      [400, 'INVALID_REQUEST', 'functionUrl'],
      [400, 'INVALID_REQUEST', 'functionUrl'],
      [400, 'INVALID_REQUEST', 'httpMethod'],
      [400, 'INVALID_REQUEST', 'headers.x-key'],
      [400, 'INVALID_REQUEST', 'name'],
      [400, 'INVALID_REQUEST', ''],
      [400, 'INVALID_REQUEST', 'export.to.folder'],
      [400, 'INVALID_REQUEST', 'export.to.folder'],
      [400, 'INVALID_REQUEST', 'export.to.url'],
      [400, 'INVALID_REQUEST', 'export.to.url'],
    ])
    const missing = await create({ headers: { 'x-key': template('NOBODY') } })
    expect([missing.status, missing.body.code, missing.body.message]).toEqual([404, 'SECRET_NOT_FOUND', 'body.headers: secret not found: NOBODY'])
    expect((await call('GET')).body.schedules).toHaveLength(before)
    for (const [method, path, body] of [
      ['GET', '/x'],
      ['PATCH', '/x', { name: 'y' }],
      ['DELETE', '/x'],
      ['POST', '/x/run'],
      ['GET', '/x/logs'],
    ] as const)
      expect((await call(method, path, body)).body.code).toBe('SCHEDULE_NOT_FOUND')
    expect((await call('PATCH', '/x', {})).status).toBe(400)
  })

  test('the value of a secret reaches the receiver and nothing else: no answer, no log line, no audit entry', async () => {
    await tested.client.admin('POST', '/api/secrets', { key: 'HIDDEN', value: SECRET_VALUE })
    const headers = { authorization: `Bearer ${template('HIDDEN')}` }
    const created = [
      await create({ headers }),
      await create({ headers, functionUrl: `${receiver.url}/echo` }),
      await create({ headers, functionUrl: 'http://127.0.0.1:1/' }),
    ]
    const answers: string[] = []
    for (const { body, text } of created) {
      answers.push(text, (await call('POST', `/${body.id}/run`)).text)
      await untilExecuted(body.id)
      answers.push((await call('GET', `/${body.id}`)).text, (await call('GET', `/${body.id}/logs`)).text)
    }
    answers.push((await call('GET')).text, (await tested.client.admin('GET', '/admin/v1/audit-log?limit=100')).text)
    answers.push((await tested.client.admin('GET', '/admin/v1/service-logs')).text)
    expect(receiver.requests.filter((request) => request.headers['authorization'] === `Bearer ${SECRET_VALUE}`).length).toBeGreaterThanOrEqual(2)
    expect(answers.filter((text) => text.includes(SECRET_VALUE))).toEqual([])
    expect(logged.filter((line) => line.includes(SECRET_VALUE))).toEqual([])
    expect(logged.some((line) => line.includes('a run of a schedule failed'))).toBe(true)
    expect(answers.some((text) => text.includes('Answered 418.'))).toBe(true)
    for (const { body } of created) await call('DELETE', `/${body.id}`)
  })

  test('an export is delivered into a folder of EXPORT_DIR by the running service', async () => {
    const { partnerId } = await tested.client.createPartner('Exported')
    const action = { what: 'usage', period: 'last-month', format: 'csv', partner: partnerId, to: { folder: 'finance/monthly' } }
    const { status, body } = await create({ functionUrl: undefined, export: action })
    expect([status, body.export]).toEqual([201, action])
    await call('POST', `/${body.id}/run`)
    await untilExecuted(body.id)
    expect((await call('GET', `/${body.id}/logs`)).body.logs[0]).toMatchObject({ success: true, message: expect.stringMatching(/^Delivered usage\/month=/) })
    await call('DELETE', `/${body.id}`)
  })
})
