import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readAnswer } from '../../contract/answer.ts'
import { CREATE_SCHEDULE, DELETE_SCHEDULE, GET_SCHEDULE, LIST_EXECUTIONS, LIST_SCHEDULES, RUN_SCHEDULE, UPDATE_SCHEDULE } from '../../contract/schedules.ts'
import { runHere } from '../support/clients/run-here.ts'
import { startWebhookReceiver } from '../support/clients/webhook-receiver.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const directory = makeTemporaryDirectory()
let tested: TestService
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
let environment: Record<string, string>
beforeAll(async () => {
  tested = await startTestService({ OUTGOING_ALLOW: '127.0.0.0/8', EXPORT_DIR: directory.path })
  receiver = await startWebhookReceiver()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
})
afterAll(async () => {
  await receiver.stop()
  await tested.stop()
  directory.remove()
})

const run = (...args: string[]) => runHere(args, environment)

async function json<S extends Parameters<typeof readAnswer>[0]>(schema: S, ...args: string[]) {
  const { code, stdout, stderr } = await run('--json', ...args)
  expect([code, stderr]).toEqual([0, ''])
  return readAnswer(schema, stdout)
}

describe('the command "schedules"', () => {
  test('creates, shows, lists, changes, runs and deletes a schedule, and shows its log', async () => {
    const called = ['--function-url', receiver.url, '--header', 'x-own: yes', '--body', '{"full":true}']
    const created = await json(CREATE_SCHEDULE.answers[201], 'schedules', 'create', 'yearly', '--cron', '0 0 1 1 *', '--zone', 'Europe/Berlin', ...called)
    const { id } = created
    expect(created).toMatchObject({
      name: 'yearly',
      timezone: 'Europe/Berlin',
      httpMethod: 'POST',
      headers: { 'x-own': 'yes' },
      body: { full: true },
      isActive: true,
    })
    expect(await json(GET_SCHEDULE.answers[200], 'schedules', 'get', id)).toEqual(created)
    expect((await run('schedules', 'get', id)).stdout).toMatch(/^id +\S+\nname +yearly\ndue +0 0 1 1 \* \(Europe\/Berlin\)\ndoes +POST http/)
    expect((await run('schedules', 'list')).stdout).toMatch(/yearly .*0 0 1 1 \* .*never/)
    expect((await json(LIST_SCHEDULES.answers[200], 'schedules', 'list')).schedules).toEqual([created])
    const paused = await json(UPDATE_SCHEDULE.answers[200], 'schedules', 'update', id, '--active', 'false', '--method', 'put')
    expect(paused).toMatchObject({ isActive: false, nextRun: null, httpMethod: 'PUT' })
    const requested = await json(RUN_SCHEDULE.answers[202], 'schedules', 'run', id)
    await untilSo(async () => (await json(LIST_EXECUTIONS.answers[200], 'schedules', 'logs', id)).totalCount === 1)
    expect(receiver.requests.map(({ method, headers }) => [method, headers['webhook-id']])).toEqual([['PUT', requested.id]])
    const { logs } = await json(LIST_EXECUTIONS.answers[200], 'schedules', 'logs', id, '--limit', '5', '--offset', '0')
    expect(logs).toEqual([expect.objectContaining({ id: requested.id, scheduleId: id, statusCode: 200, success: true, message: 'Answered 200.' })])
    expect((await run('schedules', 'logs', id)).stdout).toMatch(new RegExp(`success .*200 .*${requested.id} .*Answered 200\\.`))
    expect((await run('schedules', 'list')).stdout).toMatch(/yearly .*Z, succeeded/)
    expect((await json(DELETE_SCHEDULE.answers[200], '--yes', 'schedules', 'delete', id)).message).toContain('yearly')
    expect((await run('schedules', 'list')).stdout).toBe('There is no schedule.\n')
    expect(await run('schedules', 'get', id)).toMatchObject({ code: 4, stderr: expect.stringContaining('no schedule with this id') })
  })

  test('shows that the last run failed, and why', async () => {
    await tested.client.admin('POST', '/api/secrets', { key: 'GONE', value: 'for a while' })
    const called = ['--function-url', receiver.url, '--header', 'x-key: $' + '{{secrets.GONE}}']
    const { id } = await json(CREATE_SCHEDULE.answers[201], 'schedules', 'create', 'failing', '--cron', '0 0 1 1 *', ...called)
    await tested.client.admin('DELETE', '/api/secrets/GONE')
    await json(RUN_SCHEDULE.answers[202], 'schedules', 'run', id)
    await untilSo(async () => (await json(GET_SCHEDULE.answers[200], 'schedules', 'get', id)).lastSuccess === false)
    for (const args of [['get', id], ['list']]) expect((await run('schedules', ...args)).stdout).toMatch(/Z, failed: .*GONE/)
    await run('--yes', 'schedules', 'delete', id)
  })

  test('changes what an export delivers, and where to; what is not given stays', async () => {
    const { partnerId } = await tested.client.createPartner('Exported')
    const first = ['--export', 'focus', '--focus', '1.2', '--period', 'last-month', '--format', 'parquet', '--partner', partnerId]
    const { id } = await json(CREATE_SCHEDULE.answers[201], 'schedules', 'create', 'finance', '--cron', '0 6 4 * *', ...first, '--folder', 'finance')
    const change = async (...args: string[]) => (await json(UPDATE_SCHEDULE.answers[200], 'schedules', 'update', id, ...args)).export
    const stored = { what: 'focus', focus: '1.2', period: 'last-month', format: 'parquet', partner: partnerId, to: { folder: 'finance' } }
    expect(await change('--name', 'Finance')).toEqual(stored)
    expect(await change('--format', 'ndjson')).toEqual({ ...stored, format: 'ndjson' })
    expect((await run('schedules', 'get', id)).stdout).toContain(`export focus 1.2 of last-month of ${partnerId} as ndjson to finance`)
    expect(await change('--put', 'https://bucket.example.com/in', '--focus', '1.3')).toMatchObject({
      to: { url: 'https://bucket.example.com/in' },
      focus: '1.3',
    })
    expect(await change('--folder', 'finance/months', '--all-partners')).toEqual({
      ...{ what: 'focus', focus: '1.3', period: 'last-month', format: 'ndjson', to: { folder: 'finance/months' } },
    })
    expect(await change('--quantity', 'byte_days')).toMatchObject({ focus: '1.3', quantity: 'byte_days' })
    expect((await run('schedules', 'get', id)).stdout).toContain('export focus 1.3 with byte-days of last-month')
    // What is of FOCUS only goes with it.
    expect(await change('--export', 'usage', '--period', 'yesterday')).toEqual({
      ...{ what: 'usage', period: 'yesterday', format: 'ndjson', to: { folder: 'finance/months' } },
    })
    expect(await change('--include', 'byte_days')).toMatchObject({ what: 'usage', include: 'byte_days' })
    expect(await change('--format', 'csv')).toMatchObject({ format: 'csv', include: 'byte_days' })
  })

  test('makes a call of an export, and an export of a call', async () => {
    const { id } = await json(
      CREATE_SCHEDULE.answers[201],
      'schedules',
      'create',
      'both',
      '--cron',
      '0 6 4 * *',
      '--function-url',
      receiver.url,
      '--body',
      '{}',
    )
    expect((await run('schedules', 'update', id, '--format', 'csv')).stderr).toContain('Add --export')
    const exported = ['--export', 'usage', '--period', 'last-month', '--format', 'csv', '--folder', 'f']
    const updated = await json(UPDATE_SCHEDULE.answers[200], 'schedules', 'update', id, ...exported)
    expect(updated).toMatchObject({ functionUrl: null, body: null, export: { what: 'usage', to: { folder: 'f' } } })
    expect((await run('schedules', 'update', id, '--folder', 'g', '--function-url', receiver.url)).stderr).toContain('error: --function-url: ')
    const called = await json(UPDATE_SCHEDULE.answers[200], 'schedules', 'update', id, '--function-url', receiver.url)
    expect(called).toMatchObject({ functionUrl: receiver.url, export: null })
  })

  test.each([
    [['create', 'x', '--function-url', 'https://a.example'], '--cron is missing'],
    [['create', 'x', '--cron', '* * * * * *', '--function-url', 'https://a.example'], 'error: --cron: "* * * * * *" has six fields'],
    [['create', 'x', '--cron', '* * * * *', '--function-url', 'https://a.example', '--header', 'nothing'], 'is not "name: value"'],
    [['create', 'x', '--cron', '* * * * *', '--function-url', 'https://a.example', '--body', '[1]'], 'is not a JSON object'],
    [['create', 'x', '--cron', '* * * * *', '--export', 'focus', '--period', 'last-month', '--format', 'csv'], 'either --folder or --put'],
    [['create', 'x', '--cron', '* * * * *', '--folder', 'f'], 'Add --export'],
    [['create', 'x', '--cron', '* * * * *', '--export', 'focus', '--period', 'last-month', '--format', 'csv', '--folder', '../f'], 'error: --folder: must'],
    [['create', 'x', '--cron', '* * * * *', '--export', 'focus', '--period', 'last-month', '--format', 'json', '--folder', 'f'], 'csv, ndjson or parquet'],
    [
      ['create', 'x', '--cron', '* * * * *', '--export', 'usage', '--focus', '1.3', '--period', 'last-month', '--format', 'csv', '--folder', 'f'],
      'for focus only',
    ],
    [
      ['create', 'x', '--cron', '* * * * *', '--export', 'focus', '--include', 'byte_days', '--period', 'last-month', '--format', 'csv', '--folder', 'f'],
      'set quantity to byte_days',
    ],
    [
      ['create', 'x', '--cron', '* * * * *', '--export', 'usage', '--quantity', 'byte_days', '--period', 'last-month', '--format', 'csv', '--folder', 'f'],
      'set include to byte_days',
    ],
    [['update', 'x', '--folder', 'f'], 'no schedule with this id'],
    [['logs', 'x', '--limit', '0'], '--limit "0" is not a number of executions.'],
    [['update', 'x'], 'Nothing to change'],
    [['update', 'x', '--active', 'no'], 'neither true nor false'],
  ])('a mistake in %j is named', async (args, message) => {
    const { code, stderr } = await run('schedules', ...args)
    expect([code, stderr]).toEqual([stderr.includes('no schedule') ? 4 : 1, expect.stringContaining(message)])
  })
})
