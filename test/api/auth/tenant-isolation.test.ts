import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { type AnsweredRequest, listenToRequests } from '../../support/query-trace.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

/** A partner, and ids that are its own. */
interface Tenant extends Credentials {
  readonly mode: 'white-label' | 'co-branded'
  /** A code for its project; white-label only. */
  readonly code: string | undefined
  /** Its own, for pages. */
  readonly token: string
  readonly ids: Readonly<Record<string, string>>
  /** What no other caller may ever read. */
  readonly own: readonly string[]
}

interface Operation {
  readonly method: string
  readonly path: string
  readonly security: readonly string[]
  readonly queryIds: readonly string[]
}

/** Parameters that identify the owner. Others, such as a month, have no owner. */
const ID_PARAMETERS = ['partnerId', 'projectId', 'userId', 'project_id', 'webhookId', 'thresholdId', 'messageId']
const BODIES: Record<string, object> = {
  'connect-user': { name: 'Someone', email: 'someone@example.com' },
  'sync-project': { project_name: 'synced' },
  'sync-embedded-project': { project_name: 'synced' },
}
const QUERIES: Record<string, string> = { explain: 'metric=ai_tokens', export: 'format=csv' }

let tested: TestService
let operations: Operation[]
const pairs: { mine: Tenant; other: Tenant }[] = []
const answered: AnsweredRequest[] = []
let stopListening: () => void

beforeAll(async () => {
  stopListening = listenToRequests((request) => answered.push(request))
  tested = await startTestService()
  await tested.client.createIngestKey()
  for (const mode of ['white-label', 'co-branded'] as const)
    pairs.push({ mine: await makeTenant(`mine-${mode}`, mode), other: await makeTenant(`hidden-${mode}`, mode) })
  // So that the service knows whose projects these are.
  for (const tenant of pairs.flatMap(({ mine, other }) => [mine, other]))
    expect((await tested.client.partner(tenant, 'GET', `/${tenant.ids['projectId']}/usage`)).status).toBe(200)
  operations = operationsOf((await tested.client.call('GET', '/openapi.json')).body)
})
afterAll(async () => {
  stopListening()
  await tested.stop()
})

describe("P5: another partner's data looks like data that does not exist", () => {
  test("every partner route answers another partner's id in the path like an unknown one", async () => {
    for (const { mine, other } of pairs)
      for (const operation of operations)
        for (const headers of credentialsOf(mine, operation)) {
          const ids = { ...mine.ids, project_id: mine.ids['projectId'] ?? '' }
          await expectAlike(operation, headers, [
            { ...ids, partnerId: other.partnerId },
            { ...ids, partnerId: 'ps_AAAAAAAAAAAA' },
          ])
        }
  })

  test("every partner route answers another partner's project and user ids like unknown ones", async () => {
    for (const { mine, other } of pairs)
      for (const operation of operations)
        for (const headers of credentialsOf(mine, operation))
          for (const replaced of subsetsOf(idsIn(operation).filter((name) => name !== 'partnerId'))) {
            const foreign = Object.fromEntries(replaced.map((name) => [name, other.ids[name] ?? '']))
            const unknown = Object.fromEntries(replaced.map((name) => [name, randomUUID()]))
            await expectAlike(operation, headers, [
              { ...mine.ids, ...foreign },
              { ...mine.ids, ...unknown },
            ])
          }
    // And nothing of the others was changed by all these calls.
    for (const { other } of pairs) expect(await metadataOf(other)).toMatchObject({ status: 200, body: { project: { status: 'active' } } })
  })

  test("the same routes answer a partner's own ids, so the two tests above compare real calls", async () => {
    const rejected: string[] = []
    for (const { mine } of pairs)
      for (const operation of operations.filter(({ method }) => method === 'GET')) {
        const { status } = await send(operation, credentialsOf(mine, operation)[0] ?? {}, mine.ids)
        if (status !== 200) rejected.push(`${mine.mode} ${operation.method} ${operation.path} ${status}`)
      }
    const ofOtherMode = (line: string) => line.endsWith(' 403')
    expect(rejected.filter((line) => !ofOtherMode(line))).toEqual([])
    expect(rejected.length).toBeLessThan(operations.length / 2)
  })

  test('a cursor of another partner is answered like an invalid cursor', async () => {
    const [white] = pairs
    if (white === undefined) throw new Error('There is no white-label pair.')
    await tested.client.partner(white.other, 'POST', '/sync-embedded-project', '{"project_name":"second"}')
    const { next_cursor } = (await tested.client.partner(white.other, 'GET', '/projects?limit=1')).body
    expect(next_cursor).toEqual(expect.any(String))
    const foreign = await tested.client.partner(white.mine, 'GET', `/projects?limit=1&cursor=${next_cursor}`)
    const madeUp = await tested.client.partner(white.mine, 'GET', '/projects?limit=1&cursor=made-up')
    expect(shapeOf(foreign)).toEqual(shapeOf(madeUp))
    expect(foreign.status).toBe(400)
  })

  test('a scoped ingest key learns nothing about the projects of another partner', async () => {
    const [white] = pairs
    if (white === undefined) throw new Error('There is no white-label pair.')
    const { key } = (await tested.client.admin('POST', '/admin/v1/ingest-keys', { name: 'scoped', partner_ids: [white.mine.partnerId] })).body
    const sendTo = (project_id: string) =>
      tested.client.call('POST', '/v1/events', {
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify([{ event_id: 'same', project_id, metric: 'ai_tokens', value: 1, timestamp: '2026-01-01T00:00:00Z' }]),
      })
    const [foreign, unknown] = [await sendTo(white.other.ids['projectId'] ?? ''), await sendTo(randomUUID())]
    expect(foreign.body.rejected).toEqual([expect.objectContaining({ reason: 'project_not_allowed' })])
    expect(shapeOf(foreign)).toEqual(shapeOf(unknown))
  })
})

/** Sends both and compares status, body, headers and queries, and checks that the answers contain nothing of another tenant. */
async function expectAlike(
  operation: Operation,
  headers: Record<string, string>,
  [foreign, unknown]: [Record<string, string>, Record<string, string>],
): Promise<void> {
  const title = `${operation.method} ${operation.path} with ${Object.keys(headers)}`
  const [withForeign, withUnknown] = [await send(operation, headers, foreign), await send(operation, headers, unknown)]
  expect([title, shapeOf(withForeign)]).toEqual([title, shapeOf(withUnknown)])
  // A secret that is not this partner's is never cached, so there every query counts.
  const isSecretRejected = 'x-partnership-secret' in headers && withForeign.status === 401
  expect([title, await queriesOf(withForeign, isSecretRejected)]).toEqual([title, await queriesOf(withUnknown, isSecretRejected)])
  expect([title, withForeign.status >= 400]).toEqual([title, true])
  for (const { other } of pairs) for (const own of other.own) expect([title, withForeign.text.includes(own)]).toEqual([title, false])
}

type Sent = Awaited<ReturnType<typeof send>>

function send({ method, path, queryIds }: Operation, headers: Record<string, string>, ids: Readonly<Record<string, string>>) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(name === 'month' ? currentMonth() : (ids[name] ?? fail(`${path} needs {${name}}`))),
  )
  const word = path.split('/').at(-1) ?? ''
  const query = [QUERIES[word] ?? '', ...queryIds.map((name) => `${name}=${encodeURIComponent(ids[name] ?? '')}`)].filter((part) => part !== '')
  const body = ['POST', 'PUT', 'PATCH'].includes(method) ? JSON.stringify(BODIES[word] ?? {}) : undefined
  return tested.client.call(method, `${filled}${query.length === 0 ? '' : `?${query.join('&')}`}`, {
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
  })
}

const OF_EACH_REQUEST = ['date', 'x-request-id', 'ratelimit']

function shapeOf({ status, headers, text }: Sent) {
  const requestId = headers.get('x-request-id') ?? fail('An answer has no request id.')
  const kept = [...headers].filter(([name]) => !OF_EACH_REQUEST.includes(name))
  return { status, headers: kept, text: text.replaceAll(requestId, '<request id>') }
}

/** Queries that the cache of the caller's own credential may save, whichever id it comes with. */
const CACHED = ['living_partner_secrets', 'all_signing_keys']

async function queriesOf({ headers }: Sent, bySecretOfAnother: boolean): Promise<readonly string[]> {
  const id = headers.get('x-request-id')
  const found = () => answered.find(({ requestId }) => requestId === id)
  // The client may have the answer before its end is reported.
  await untilSo(async () => found() !== undefined)
  const { queries } = found() ?? fail('The request was not seen.')
  return bySecretOfAnother ? queries : queries.filter((name) => !CACHED.includes(name))
}

async function makeTenant(name: string, mode: Tenant['mode']): Promise<Tenant> {
  const credentials = await tested.client.createPartner(name, mode)
  const { partnerId } = credentials
  const call = async (path: string, body: object) => (await tested.client.partner(credentials, 'POST', path, JSON.stringify(body))).body
  const userId = mode === 'co-branded' ? (await call('/connect-user', { name, email: `${name}@example.com` })).account.id : randomUUID()
  const { project } = await call(mode === 'co-branded' ? `/${userId}/sync-project` : '/sync-embedded-project', { project_name: `${name} project` })
  await tested.client.send([{ event_id: 'e', project_id: project.id, metric: 'ai_tokens', value: 77_777, timestamp: new Date().toISOString() }])
  const { webhook } = await call('/webhooks', { url: `https://hooks.example.com/${name}`, events: ['statement.closed'] })
  const levels = [{ name: `${name} level`, value: '88888888' }]
  const { threshold } = await call('/thresholds', { metric: 'ai_tokens', per: 'month', levels })
  const ids = { partnerId, projectId: project.id, project_id: project.id, userId, webhookId: webhook.id, thresholdId: threshold.id, messageId: randomUUID() }
  const code = mode === 'white-label' ? (await call(`/${project.id}/authorization`, {})).code : undefined
  const { token } = await call('/tokens', {})
  return { ...credentials, mode, code, token, ids, own: [name, project.access_host, project.api_key, credentials.secret, '77777'] }
}

function metadataOf({ mode, ids, ...credentials }: Tenant) {
  const path = mode === 'co-branded' ? `/${ids['userId']}/${ids['projectId']}/metadata` : `/${ids['projectId']}/metadata`
  return tested.client.partner(credentials, 'GET', path)
}

/** The credentials of `mine` in every form that the route accepts, the secret first. */
function credentialsOf({ secret, code, token }: Tenant, { security }: Operation): Record<string, string>[] {
  const byCode = code !== undefined && security.includes('projectToken') ? [{ authorization: `Bearer ${code}` }] : []
  const byToken = security.includes('partnerToken') ? [{ authorization: `Bearer ${token}` }] : []
  return [{ 'x-partnership-secret': secret }, ...byCode, ...byToken]
}

function operationsOf(openapi: { paths: Record<string, Record<string, OpenApiOperation>> }): Operation[] {
  return Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { security = [], parameters = [] }]) => {
      const schemes = security.flatMap(Object.keys)
      const queryIds = parameters.flatMap(({ in: place, name }) => (place === 'query' && ID_PARAMETERS.includes(name) ? [name] : []))
      return schemes.includes('partnerSecret') ? [{ method: method.toUpperCase(), path, security: schemes, queryIds }] : []
    }),
  )
}

interface OpenApiOperation {
  readonly security?: Record<string, string[]>[]
  readonly parameters?: { in: string; name: string }[]
}

function idsIn({ path, queryIds }: Operation): string[] {
  return [...[...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ''), ...queryIds].filter((name) => ID_PARAMETERS.includes(name))
}

function subsetsOf(names: readonly string[]): string[][] {
  return names.reduce<string[][]>((subsets, name) => subsets.flatMap((subset) => [subset, subset.concat(name)]), [[]]).filter((subset) => subset.length > 0)
}

function currentMonth(): string {
  return new Date().toISOString().slice(0, 7)
}

function fail(message: string): never {
  throw new Error(message)
}
