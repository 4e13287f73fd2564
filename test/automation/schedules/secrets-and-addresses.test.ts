import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createSchedule, updateSchedule } from '../../../automation/schedules/change-schedules.ts'
import type { StoredSchedule } from '../../../automation/schedules/stored-schedules.ts'
import type { ScheduleDefinition } from '../../../contract/schedules.ts'
import { NO_NETWORKS } from '../../../outgoing/public-address.ts'
import { listAuditEntries, SERVICE } from '../../../registry/audit-log.ts'
import { createSecret, deleteSecret, updateSecret } from '../../../registry/secrets/change-secrets.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { A_CALL, ScheduledWorld } from '../../support/worlds/scheduled-world.ts'

const MINUTE_MS = 60_000
const FIRST_VALUE = 'value-of-the-secret-number-one'
const SECOND_VALUE = 'value-of-the-secret-number-two'
const template = (key: string) => `$\{{secrets.${key}}}`

let world: ScheduledWorld
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  world = await ScheduledWorld.open()
  receiver = await startWebhookReceiver()
})
afterAll(async () => {
  await receiver.stop()
  await world.close()
})
afterEach(() => world.endTest())

const newSecret = (key: string, value: string, expiresMs: number | null = null) =>
  createSecret(world.registry, SERVICE, { key, value, isReserved: false, expiresMs })
const create = (definition: Partial<ScheduleDefinition>) =>
  createSchedule(world.store, SERVICE, { name: 'n', isActive: false, definition: { ...A_CALL, ...definition } })

describe('secrets in headers', () => {
  test('the value is read at each run, and is in no stored row, no message, no audit entry and no log line', async () => {
    await newSecret('TOKEN', FIRST_VALUE)
    const headers = { authorization: `Bearer ${template('TOKEN')}`, 'x-twice': `${template('TOKEN')}-$\{{ secrets.TOKEN }}` }
    const schedule = await world.schedule({ functionUrl: receiver.url, headers })
    const scheduler = world.scheduler()
    world.pass(10 * MINUTE_MS)
    await world.runDue(scheduler)
    await updateSecret(world.registry, SERVICE, { key: 'TOKEN', value: SECOND_VALUE })
    world.pass(10 * MINUTE_MS)
    await world.runDue(scheduler)
    expect(receiver.requests.map((request) => request.headers['authorization'])).toEqual([`Bearer ${FIRST_VALUE}`, `Bearer ${SECOND_VALUE}`])
    expect(receiver.requests[0]?.headers['x-twice']).toBe(`${FIRST_VALUE}-${FIRST_VALUE}`)
    await deleteSecret(world.registry, SERVICE, 'TOKEN')
    world.pass(10 * MINUTE_MS)
    await world.runDue(scheduler)
    expect(receiver.requests).toHaveLength(2)
    const executions = await world.executions(schedule)
    expect(executions.at(-1)).toMatchObject({ state: 'failed', statusCode: null, message: 'The secret TOKEN is inactive. Nothing was sent.' })
    const audit = await listAuditEntries(world.clickhouse, { newestFirst: true, action: '', subject: '', limit: 100 })
    expect(audit.find(({ action }) => action === 'schedule.create')?.details).toContain('"secrets":["TOKEN"]')
    const written = JSON.stringify([executions, audit, schedule, world.logged])
    for (const value of [FIRST_VALUE, SECOND_VALUE]) expect(written).not.toContain(value)
    expect(world.logged.join()).toContain('TOKEN is inactive')
    await updateSchedule(world.store, SERVICE, schedule.id, { isActive: false, definition: {} })
  })

  test('an expired secret, and one that a header cannot hold, fail the run with a message that names it', async () => {
    await newSecret('SHORT', 'x', world.nowMs + MINUTE_MS)
    await newSecret('LINES', 'one\r\nx-injected: two')
    const created: StoredSchedule[] = []
    for (const key of ['SHORT', 'LINES']) created.push(await world.schedule({ functionUrl: receiver.url, headers: { 'x-key': template(key) } }))
    const before = receiver.requests.length
    world.pass(10 * MINUTE_MS)
    await world.runDue(world.scheduler())
    expect(receiver.requests).toHaveLength(before)
    const messages = await Promise.all(created.map(async (schedule) => (await world.executions(schedule))[0]?.message))
    expect(messages).toEqual([
      'The secret SHORT has expired. Nothing was sent.',
      'The header x-key was not sent: a secret in it has characters that a header cannot have.',
    ])
    for (const { id } of created) await updateSchedule(world.store, SERVICE, id, { isActive: false, definition: {} })
  })

  test('a process without MASTER_KEY fails the runs that need a secret, and no others', async () => {
    await newSecret('NEEDED', 'x')
    const needs = await world.schedule({ functionUrl: receiver.url, headers: { 'x-key': template('NEEDED') } })
    const plain = await world.schedule({ functionUrl: receiver.url })
    world.pass(10 * MINUTE_MS)
    await world.runDue(world.scheduler({ runner: { masterKeys: undefined } }))
    expect((await world.executions(needs))[0]?.message).toBe('The secret NEEDED cannot be read: set MASTER_KEY in the process that runs schedules.')
    expect((await world.executions(plain))[0]?.state).toBe('succeeded')
    for (const { id } of [needs, plain]) await updateSchedule(world.store, SERVICE, id, { isActive: false, definition: {} })
  })

  test('a secret that does not exist is not found at creation and at update, and nothing is created or changed', async () => {
    const headers = { 'x-key': template('MISSING') }
    expect(await create({ headers })).toEqual({ status: 'secret_not_found', key: 'MISSING' })
    const schedule = await world.schedule({}, { isActive: false })
    expect(await updateSchedule(world.store, SERVICE, schedule.id, { definition: { headers } })).toEqual({ status: 'secret_not_found', key: 'MISSING' })
    expect(await updateSchedule(world.store, SERVICE, schedule.id, { name: 'renamed', definition: {} })).toMatchObject({
      status: 'updated',
      schedule: { name: 'renamed', revision: 2, definition: { headers: {} } },
    })
  })
})

describe('addresses', () => {
  const hosts = [
    '127.0.0.1',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '127.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '169.254.169.254',
    '10.0.0.1',
  ]

  test.each(hosts)('a schedule for the literal address %s is rejected with the name of the field', async (host) => {
    const strict = { ...world.store, allowed: NO_NETWORKS }
    for (const functionUrl of [`http://${host}/`, `https://${host}:8443/x`])
      expect(await createSchedule(strict, SERVICE, { name: 'n', isActive: true, definition: { ...A_CALL, functionUrl } })).toMatchObject({
        status: 'invalid',
        field: 'functionUrl',
      })
    const to = { url: `https://${host}/{name}` }
    const action = { what: 'focus', period: 'last-month', format: 'csv', to } as const
    expect(await createSchedule(strict, SERVICE, { name: 'n', isActive: true, definition: { ...A_CALL, functionUrl: null, export: action } })).toMatchObject({
      status: 'invalid',
      field: 'export.to.url',
    })
  })

  test('a name that leads to a private address is not called, also if it led to a public one before', async () => {
    const schedule = await world.schedule({ functionUrl: `http://rebinding.example:${receiver.port}/` })
    const before = receiver.connections()
    const answers = ['127.0.0.1', '169.254.169.254']
    const resolve = async () => [{ address: answers.shift() ?? '10.0.0.1', family: 4 }]
    const scheduler = world.scheduler({ runner: { resolve } })
    for (let round = 0; round < 2; round += 1) {
      world.pass(10 * MINUTE_MS)
      await world.runDue(scheduler)
    }
    expect((await world.executions(schedule)).map(({ message }) => message)).toEqual([
      'Answered 200.',
      'Not called: the URL leads to 169.254.169.254, which is neither public nor in OUTGOING_ALLOW.',
    ])
    expect(receiver.connections() - before).toBe(1)
    await updateSchedule(world.store, SERVICE, schedule.id, { isActive: false, definition: {} })
  })

  test('a schedule whose address is no longer allowed can be paused, but not resumed', async () => {
    const schedule = await world.schedule({ functionUrl: receiver.url })
    const strict = { ...world.store, allowed: NO_NETWORKS }
    expect(await updateSchedule(strict, SERVICE, schedule.id, { isActive: false, definition: {} })).toMatchObject({ status: 'updated' })
    expect(await updateSchedule(strict, SERVICE, schedule.id, { isActive: true, definition: {} })).toMatchObject({ status: 'invalid', field: 'functionUrl' })
  })
})

describe('mistakes in a definition', () => {
  const action = { what: 'usage', period: 'yesterday', format: 'csv', to: { url: 'https://a.example/{name}' } } as const
  test.each<[string, Partial<ScheduleDefinition>]>([
    ['cronSchedule', { cronSchedule: '* * * * * *' }],
    ['timezone', { timezone: 'Mars/Olympus' }],
    ['functionUrl', { functionUrl: null }],
    ['functionUrl', { functionUrl: 'ftp://a.example/' }],
    ['functionUrl', { functionUrl: 'https://user:password@a.example/' }],
    ['functionUrl', { functionUrl: `https://a.example/${template('KEY')}` }],
    ['functionUrl', { export: action }],
    ['body', { httpMethod: 'GET', body: {} }],
    ['headers.x', { headers: { x: `$\{{env.HOME}}` } }],
    ['headers.x', { headers: { x: `$\{{secrets.lower}}` } }],
    ['headers.x', { headers: { x: 'a\r\nb' } }],
    ['headers.a b', { headers: { 'a b': 'x' } }],
    ['headers.Webhook-Id', { headers: { 'Webhook-Id': 'x' } }],
    ['headers.HOST', { headers: { HOST: 'x' } }],
    ['headers.A', { headers: { a: '1', A: '2' } }],
    ['export.period', { functionUrl: null, export: { ...action, what: 'focus' } }],
    ['export.format', { functionUrl: null, export: { ...action, what: 'focus', period: 'last-month', format: 'xlsx' } }],
    ['export.to.url', { functionUrl: null, export: { ...action, to: { url: 'http://a.example/' } } }],
    ['export.to.url', { functionUrl: null, export: { ...action, to: { url: 'https://{name}.example/' } } }],
    ['export.to.folder', { functionUrl: null, export: { ...action, to: { folder: 'f' } } }],
  ])('%s is named for %j', async (field, definition) => {
    expect(await create(definition)).toMatchObject({ status: 'invalid', field, problem: expect.any(String) })
  })

  test.each(['..', 'a/../..', '/etc', 'a//b', '.', 'a/./b', 'a\\..\\b', 'a\0b', ''])('the folder "%s" is rejected', async (folder) => {
    const definition = { ...A_CALL, functionUrl: null, export: { ...action, to: { folder } } }
    const outcome = await createSchedule({ ...world.store, exportDir: '/tmp' }, SERVICE, { name: 'n', isActive: true, definition })
    expect(outcome).toMatchObject({ status: 'invalid', field: 'export.to.folder' })
  })

  test('a partner that does not exist is not found', async () => {
    expect(await create({ functionUrl: null, export: { ...action, partner: 'ps_nobody' } })).toEqual({ status: 'partner_not_found' })
  })
})
