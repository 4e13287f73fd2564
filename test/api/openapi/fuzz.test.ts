import { Agent, request } from 'node:http'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { ERRORS } from '../../../contract/errors.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { type Operation, type StrangeRequest, strangeRequests } from '../../support/clients/strange-requests.ts'
import { type ApiWorld, makeApiWorld } from '../../support/worlds/api-world.ts'
import { startTestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 6)
const TIMEOUT_MS = RUNS <= 25 ? 120_000 : 3_600_000

const tested = await startTestService()
const world = await makeApiWorld(tested.client)
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
afterAll(async () => {
  agent.destroy()
  await tested.stop()
})

/** No caller below has its secret or the ids of its projects. */
const bystander = await tested.client.createPartner('Bystander')
await tested.client.registerProject('untouched', bystander.partnerId)
await tested.client.send({ event_id: 'e', project_id: 'untouched', metric: 'ai_tokens', value: '12.5', timestamp: '2026-01-05T10:00:00Z' })
const totalsBefore = await totalsOf(bystander)

const answers: number[] = []

const operations = await readOperations()

test.each(operations)(`strange requests near $method $path get answers in the documented shapes (seed ${SEED})`, { timeout: TIMEOUT_MS }, async (operation) => {
  for (const { known, headers } of callersOf(operation, world)) {
    await fc.assert(
      fc.asyncProperty(strangeRequests(operation, known, headers), async (strange) => {
        const answer = await send(strange)
        if (strange.method === operation.method) answers.push(answer.status)
        requireGoodManners(strange, answer)
      }),
      { seed: SEED, numRuns: RUNS },
    )
  }
})

/** Some of so many strange requests are accepted, as they are strange in one place only. */
const ANSWERED_OF = 8

test('the service answers as before after all strange requests', async () => {
  expect((await tested.client.call('GET', '/readyz')).status).toBe(200)
  expect(await totalsOf(bystander)).toEqual(totalsBefore)
  // Random requests that are all rejected by the access check would prove nothing about the routes.
  expect(answers.filter((status) => status < 300).length).toBeGreaterThan(answers.length / ANSWERED_OF)
  expect(totalsBefore).toMatchObject({ summary: { ai_tokens: '12.5' } })
})

interface RawAnswer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly text: string
}

async function readOperations(): Promise<Operation[]> {
  const { body } = await tested.client.call('GET', '/openapi.json')
  return Object.entries(body.paths as Record<string, Record<string, Pick<Operation, 'responses'>>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() })),
  )
}

/** Partners of both modes call the routes of partners; those of the other mode are rejected in the same shape. */
function callersOf({ security = [] }: Operation, { whiteLabel, coBranded, others }: ApiWorld) {
  const bearer = (token: string) => ({ known: others.known, headers: { authorization: `Bearer ${token}` } })
  const schemes = security.flatMap((alternative) => Object.keys(alternative))
  if (schemes.includes('partnerSecret')) return [whiteLabel, coBranded].map(({ known, secret }) => ({ known, headers: { 'x-partnership-secret': secret } }))
  if (schemes.includes('ingestKey')) return [bearer(tested.client.ingestKey)]
  if (schemes.includes('adminToken')) return [bearer(tested.client.adminToken)]
  expect(schemes, 'a scheme that no caller here has').toEqual([])
  return [{ known: others.known, headers: {} }]
}

const STATUSES_WITHOUT_ERROR = [200, 201, 202, 204, 304]
const STACK_TRACE = /\n\s+at |\.[cm]?[jt]s:\d+|node_modules|\/home\/|\/root\//
const REQUEST_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function requireGoodManners(strange: StrangeRequest, { status, headers, text }: RawAnswer): void {
  const shown = `${strange.method} ${strange.path.slice(0, 300)} ${strange.body?.subarray(0, 300).toString() ?? ''}\nanswers ${status} ${text.slice(0, 300)}`
  expect(String(headers['x-request-id']), shown).toMatch(REQUEST_ID)
  expect(STACK_TRACE.test(text), shown).toBe(false)
  // Of the 5xx only 503 says something of the world and not of us.
  expect(status === 503 || status < 500, shown).toBe(true)
  if (strange.method === 'HEAD') return
  const documented = documentedStatuses(strange)
  if (documented.length > 0) expect(documented, shown).toContain(String(status))
  const type = String(headers['content-type'] ?? '')
  const body = type.startsWith('application/json') ? JSON.parse(text) : undefined
  if (STATUSES_WITHOUT_ERROR.includes(status)) return
  if (strange.path.startsWith('/api/secrets')) expect(body, shown).toEqual({ error: expect.any(String), message: expect.any(String), statusCode: status })
  else {
    expect(body, shown).toEqual({ success: false, message: expect.any(String), code: expect.any(String), request_id: headers['x-request-id'] })
    expect(ERRORS[body.code as keyof typeof ERRORS].status, shown).toBe(status)
  }
}

/** Of every operation whose path this is: `usage` may be read as the id of a project. */
function documentedStatuses({ method, path }: StrangeRequest): string[] {
  const [pathname = ''] = path.split('?')
  const isIt = (operation: Operation) =>
    operation.method === method && new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, '[^/]*').replaceAll('.', '\\.')}$`).test(pathname)
  return operations.filter(isIt).flatMap(({ responses }) => Object.keys(responses))
}

async function totalsOf(partner: Credentials): Promise<unknown> {
  const { body } = await tested.client.partnershipUsage(partner, '2026-01-01', '2026-12-31')
  return { summary: body.summary, period: body.period, partnership: body.partnership }
}

/** Neither the path nor the body goes through anything that would mend it. */
function send({ method, path, headers, body }: StrangeRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(tested.service.url, { method, path, headers: { ...headers, 'content-length': body?.length ?? 0 }, agent }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.once('error', reject)
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString('utf8') }))
    })
    sent.once('error', reject)
    sent.end(body)
  })
}
