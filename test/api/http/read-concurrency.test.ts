import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { READ_SESSIONS } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import type { Operation } from '../../support/clients/strange-requests.ts'
import { type ApiWorld, makeApiWorld } from '../../support/worlds/api-world.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const REQUESTS = 8
const A_MOMENT = defineQuery({ name: 'a_moment', sql: 'SELECT sleep(0.05) AS slept', params: z.object({}), row: z.object({ slept: z.number() }) })

let tested: TestService
let world: ApiWorld
let callers: Record<string, Record<string, string>>
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  world = await makeApiWorld(client)
  const tokenOf = async (role: string) => (await client.admin('POST', '/admin/v1/tokens', { role })).body.token
  callers = {
    partner: { 'x-partnership-secret': world.whiteLabel.secret },
    emitter: { authorization: `Bearer ${client.ingestKey}` },
    finance: { authorization: `Bearer ${await tokenOf('finance')}` },
    'emitter-manager': { authorization: `Bearer ${await tokenOf('emitter-manager')}` },
  }
})
afterAll(() => tested.stop())

describe('P5: no caller except an operator can occupy every read session of the store', () => {
  test.each(['partner', 'emitter', 'finance', 'emitter-manager'])(
    '%s: on any GET route, called many times at the same time',
    { timeout: 240_000 },
    async (who) => {
      const headers = callers[who] ?? {}
      const routes = await readableRoutes(headers)
      expect(routes.length, who).toBeGreaterThan(0)
      for (const path of routes) {
        const { inFlightMax, statuses } = await callTogether(path, headers)
        expect([path, inFlightMax < READ_SESSIONS], `${inFlightMax} queries in flight`).toEqual([path, true])
        expect([path, statuses.filter((status) => status !== 200 && status !== 503)]).toEqual([path, []])
      }
    },
  )
})

/** Slows every read of a request down a little, so that simultaneous ones overlap, and counts how many are in flight. Background jobs read too and are not counted. */
async function callTogether(path: string, headers: Record<string, string>): Promise<{ inFlightMax: number; statuses: number[] }> {
  const { reads } = tested.service.clickhouse
  const { query } = reads
  const inRequest = new AsyncLocalStorage<true>()
  const begin = () => inRequest.enterWith(true)
  subscribe('http.server.request.start', begin)
  let [inFlight, inFlightMax] = [0, 0]
  const enter = () => {
    inFlight += 1
    inFlightMax = Math.max(inFlightMax, inFlight)
  }
  const slow = async <T>(read: () => Promise<T>) => {
    if (inRequest.getStore() !== true) return read()
    enter()
    try {
      await query(A_MOMENT, {})
      return await read()
    } finally {
      inFlight -= 1
    }
  }
  Object.assign(reads, { query: (...args: Parameters<typeof query>) => slow(() => query(...args)) })
  try {
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => tested.client.call('GET', path, { headers })))
    return { inFlightMax, statuses: answers.map(({ status }) => status) }
  } finally {
    Object.assign(reads, { query })
    unsubscribe('http.server.request.start', begin)
  }
}

/** The paths, with real ids, of all GET routes that answer this caller. */
async function readableRoutes(headers: Record<string, string>): Promise<string[]> {
  const { paths } = (await tested.client.call('GET', '/openapi.json')).body as { paths: Record<string, Record<string, Operation>> }
  const known = { ...world.others.known, ...world.whiteLabel.known }
  const found: string[] = []
  for (const [path, { get }] of Object.entries(paths)) {
    if (get?.security === undefined) continue
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(known[`path.${name}`]?.[0] ?? 'x'))
    const query = (get.parameters ?? []).filter(({ in: place, required }) => place === 'query' && required === true)
    const filledQuery = query.map(({ name }) => `${name}=${encodeURIComponent(known[`query.${name}`]?.[0] ?? REQUIRED[name] ?? '')}`).join('&')
    const url = `${filled}${filledQuery === '' ? '' : `?${filledQuery}`}`
    if ((await tested.client.call('GET', url, { headers })).status === 200) found.push(url)
  }
  return found
}

const REQUIRED: Record<string, string> = { metric: 'ai_tokens' }
