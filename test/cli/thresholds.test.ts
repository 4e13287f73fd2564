import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { startWebhookReceiver } from '../support/clients/webhook-receiver.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
let operator: Record<string, string>
let partner: Record<string, string>
beforeAll(async () => {
  receiver = await startWebhookReceiver()
  tested = await startTestService({ OUTGOING_ALLOW: '127.0.0.0/8' })
  await tested.client.createIngestKey()
  const { partnerId, secret } = await tested.client.createPartner('Acme')
  await tested.client.registerProject('shop', partnerId)
  operator = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  partner = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: secret, METERLINE_PARTNER_ID: partnerId }
})
afterAll(async () => {
  await tested.stop()
  await receiver.stop()
})

async function run(environment: Record<string, string>, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runHere(args, environment)
  expect([args, code, code === 0 ? '' : stderr]).toEqual([args, 0, ''])
  return stdout
}

describe.each([
  ['a partner', () => partner, []],
  ['an operator', () => operator, ['--project', 'shop']],
] as const)('the commands "thresholds" and "webhooks" for %s', (_, who, of) => {
  test('set, list, change, show the history of and remove a threshold, and manage the webhook that is notified', async () => {
    const added = JSON.parse(await run(who(), '--json', 'webhooks', 'add', receiver.url, '--event', 'usage.threshold_reached', 'statement.closed'))
    expect(added).toMatchObject({ secret: expect.stringMatching(/^whsec_/), webhook: { events: ['usage.threshold_reached', 'statement.closed'] } })
    const { id: webhook } = added.webhook
    const set = await run(who(), 'thresholds', 'set', 'ai_tokens', ...of, '--budget', '10', '--level', 'warning=80%', 'used up=10.5')
    const [id = ''] = /th_\w+/.exec(set) ?? []
    expect(set).toBe(`${id} is set: ai_tokens, warning at 80%, used up at 10.5.\n`)
    expect(await run(who(), 'thresholds', 'list')).toMatch(new RegExp(`${id} .*ai_tokens .*warning at 80%, used up at 10.5 .*10 .*active`))
    const again = ['thresholds', 'set', 'ai_tokens', ...of, '--level', 'more=11']
    expect(await runHere(again, who())).toMatchObject({ code: 1, stderr: expect.stringContaining(`thresholds set --id ${id}`) })
    const [another = ''] = /th_\w+/.exec(await run(who(), ...again, '--another')) ?? []
    expect(another).not.toBe(id)
    await run(who(), '--yes', 'thresholds', 'remove', another)
    const event = { event_id: `e-${id}`, project_id: 'shop', metric: 'ai_tokens', value: '9', timestamp: new Date().toISOString() }
    await tested.client.send(event)
    await untilSo(async () => (await run(who(), 'thresholds', 'history', id)).includes('warning'))
    expect(await run(who(), 'thresholds', 'budget', id)).toMatch(/^month +\d{4}-\d\d\nused +[\d.]+\nlimit +10\ncomplete up to +\S+Z \(\d+ seconds? ago\)\n$/)
    expect(JSON.parse(await run(who(), '--json', 'thresholds', 'budget', id))).toMatchObject({ limit: '10', lag_seconds: expect.any(Number) })
    expect(await run(who(), 'thresholds', 'history', id, '--month', '2020-01')).toBe('No level was reached.\n')
    await untilSo(async () => / delivered .*delivered 200/.test(await run(who(), 'webhooks', 'deliveries', webhook)))
    const [message = ''] = /msg_\w+/.exec(await run(who(), 'webhooks', 'deliveries', webhook)) ?? []
    expect(await run(who(), 'webhooks', 'resend', webhook, message)).toBe(`${message} is pending.\n`)
    expect(await run(who(), 'webhooks', 'deliveries', webhook, '--status', 'given_up')).toBe('There is no message of the last days.\n')
    const moved = await run(who(), 'webhooks', 'update', webhook, `${receiver.url}/moved`, '--event', 'usage.spike')
    expect(moved).toBe(`${webhook} is changed: usage.spike to ${receiver.url}/moved\n`)
    expect((await runHere(['webhooks', 'update', webhook], who())).stderr).toContain('Give a URL, or add --event.')
    expect(await run(who(), 'webhooks', 'update', webhook, '--event', 'usage.threshold_reached', 'statement.closed')).toContain(`${receiver.url}/moved`)
    expect(await run(who(), 'webhooks', 'test', webhook)).toMatch(/^delivered, status 200, after \d+ ms\.\n$/)
    expect(await run(who(), 'webhooks', 'disable', webhook)).toBe(`${webhook} is disabled.\n`)
    expect(await run(who(), 'webhooks', 'list')).toMatch(/ disabled .*It is disabled\./)
    expect(await run(who(), 'webhooks', 'enable', webhook)).toBe(`${webhook} is enabled.\n`)
    expect(await run(who(), 'webhooks', 'rotate', webhook)).toMatch(/secret +whsec_/)
    expect(await run(who(), 'thresholds', 'set', '--id', id, '--active', 'false')).toMatch(/inactive\.\n$/)
    for (const kind of ['thresholds', 'webhooks'])
      expect(await run(who(), '--yes', kind, 'remove', kind === 'webhooks' ? webhook : id)).toMatch(/is removed since/)
    expect(await run(who(), 'thresholds', 'list')).toBe('There is no threshold.\n')
    expect(await run(who(), 'webhooks', 'list')).toBe('There is no webhook.\n')
  })
})

describe('the command "webhooks test"', () => {
  test('exits with 1 and says the status if the receiver answers with an error, and says when there is no answer; a test makes no webhook failing', async () => {
    const failing = await startWebhookReceiver((_, response) => response.writeHead(503).end())
    const added = JSON.parse(await run(operator, '--json', 'webhooks', 'add', failing.url, '--event', 'log.incident'))
    const { id } = added.webhook
    expect(await runHere(['webhooks', 'test', id], operator)).toEqual({
      code: 1,
      stdout: expect.stringMatching(/^http_status, status 503, after \d+ ms\.\n$/),
      stderr: 'error: The test message was not delivered: the receiver answered 503; it must answer 2xx.\n',
    })
    await failing.stop()
    const unanswered = await runHere(['--json', 'webhooks', 'test', id], operator)
    expect([unanswered.code, JSON.parse(unanswered.stdout).outcome]).toEqual([1, 'no_answer'])
    expect(JSON.parse(unanswered.stderr)).toMatchObject({ code: 'NOT_DELIVERED', error: expect.stringContaining('there was no answer') })
    expect(await run(operator, 'webhooks', 'list')).toContain(' enabled ')
    await run(operator, '--yes', 'webhooks', 'remove', id)
  })
})

test.each([
  [['thresholds', 'set', 'ai_tokens', '--level', 'warning'], '--level "warning" is no level.'],
  [['thresholds', 'set', '--level', 'warning=5'], 'No metric is given.'],
  [['thresholds', 'set', 'ai_tokens'], 'No level is given.'],
  [['thresholds', 'set', 'ai_tokens', '--id', 'th_1'], 'cannot be changed'],
  [['thresholds', 'set', '--id', 'th_1'], 'Nothing to change is given.'],
  [['thresholds', 'set', '--id', 'th_1', '--active', 'yes'], 'neither true nor false'],
  [['thresholds', 'set', 'ai_tokens', '--level', 'a=5'], 'Give either --partner <id> or --project <id>.'],
  [['webhooks', 'add', 'http://10.0.0.1/', '--event', 'log.incident'], 'error: <url>: '],
  [['thresholds', 'set', 'ai_tokens', '--project', 'shop', '--level', 'a=x'], 'error: --level: '],
  [['thresholds', 'set', 'ai_tokens', '--project', 'shop', '--level', 'a=80%'], 'error: --budget: is missing'],
  [['thresholds', 'set', 'ai_tokens', '--project', 'shop', '--partner', 'p', '--level', 'a=5'], 'either --partner <id> or --project <id>'],
])('a mistake in %j is said in one line', async (args, message) => {
  const { code, stderr } = await runHere(args, operator)
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)])
})
