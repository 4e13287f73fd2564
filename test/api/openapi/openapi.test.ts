import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { accessOf } from '../../../api/auth/access.ts'
import { ERRORS } from '../../../contract/errors.ts'
import { EXPORT_COLUMNS, EXPORT_FORMATS } from '../../../contract/export-formats.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

/** Routes that are for browsers and for Prometheus, and the description itself. */
const NOT_DESCRIBED = ['GET /', 'GET /metrics', 'GET /openapi.json', 'GET /embed', 'GET /assets/{name}']

let tested: TestService
let description: Description
const routes = new Map<string, Route>()
beforeAll(async () => {
  // Every route that is registered with the framework: the description has another source.
  const listen = (message: unknown) => {
    const { fastify } = message as { fastify: { addHook: (name: 'onRoute', hear: (route: Route) => void) => void } }
    fastify.addHook('onRoute', (route) => {
      for (const method of [route.method].flat()) routes.set(`${method} ${route.url.replaceAll(/:(\w+)/g, '{$1}')}`, route)
    })
  }
  subscribe('fastify.initialization', listen)
  tested = await startTestService({ PUBLIC_URL: 'https://usage.example.com' })
  unsubscribe('fastify.initialization', listen)
  description = JSON.parse((await tested.client.call('GET', '/openapi.json')).text) as Description
})
afterAll(() => tested.stop())

const operations = (): { name: string; method: string; path: string; operation: Operation }[] =>
  Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path, operation })),
  )

test('the document describes every route and nothing else', () => {
  const served = [...routes.keys()].filter((name) => !/^(HEAD|OPTIONS) | \/docs(\/|$)/.test(name) && !NOT_DESCRIBED.includes(name))
  expect(
    operations()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(served.sort())
  expect(served.length).toBeGreaterThan(50)
})

test('the document is OpenAPI 3.1 with its license and the URL of the service', () => {
  expect(description).toMatchObject({
    openapi: '3.1.0',
    info: { title: 'Meterline', license: { identifier: 'Apache-2.0' } },
    servers: [{ url: 'https://usage.example.com' }, { url: '/' }],
  })
})

describe('every operation', () => {
  test('every operation has a unique id, a summary, a described tag and the credentials of its route', () => {
    const ids = operations().map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z0-9]+$/)
    const tags = description.tags.map((tag) => tag.name)
    for (const tag of description.tags) expect(tag.description, tag.name).toMatch(/\.$/)
    for (const { name, operation } of operations()) {
      expect([name, typeof operation.summary, operation.tags?.filter((tag) => !tags.includes(tag))]).toEqual([name, 'string', []])
      const route = routes.get(name)
      expect([name, operation.security !== undefined]).toEqual([name, route !== undefined && accessOf(route).who !== 'everyone'])
      for (const scheme of (operation.security ?? []).flatMap(Object.keys))
        expect(Object.keys(description.components['securitySchemes'] ?? {})).toContain(scheme)
    }
  })

  test('every operation names the parameters of its path', () => {
    for (const { name, path, operation } of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      expect([name, inPath.map((parameter) => [parameter.name, parameter.required])]).toEqual([name, named.map((each) => [each, true])])
    }
  })

  test('every request and every 2xx answer has an example that matches its schema', () => {
    const missing: string[] = []
    let held = 0
    for (const { name, operation } of operations()) {
      const media = [
        ...Object.entries(operation.requestBody?.content ?? {}).map(([type, each]) => [`${name} sent as ${type}`, each] as const),
        ...Object.entries(operation.responses)
          .filter(([status]) => status.startsWith('2'))
          .flatMap(([status, { content = {} }]) =>
            Object.entries(content)
              // A file is described by its format, not by a schema.
              .filter(() => Object.keys(content).length === 1)
              .map(([, each]) => [`${name} answered ${status}`, each] as const),
          ),
      ]
      for (const [where, each] of media) {
        const example = each.example ?? each.schema?.['example']
        if (example === undefined) missing.push(where)
        else expect([where, problemOf(each.schema ?? {}, example)]).toEqual([where, undefined])
        held += 1
      }
    }
    expect(missing).toEqual([])
    expect(held).toBeGreaterThan(80)
  })

  test('an example that does not match its schema would be found', () => {
    const usage = description.paths['/partnership/v1/{partnerId}/usage']?.['get']?.responses['200']?.content?.['application/json']
    const example = usage?.example as { summary: object }
    for (const wrong of [{}, { ...example, billing_status: 'paid' }, { ...example, summary: { ...example.summary, ai_tokens: 'many' } }])
      expect(problemOf(usage?.schema ?? {}, wrong)).toBeTypeOf('string')
  })

  test('every answer is described, and every error has the common shape and a valid example', () => {
    for (const { name, path, operation } of operations()) {
      for (const [status, { content, description: said }] of Object.entries(operation.responses)) {
        expect([name, status, typeof said]).toEqual([name, status, 'string'])
        if (status === '304') expect([name, content]).toEqual([name, undefined])
        if (Number(status) < 400) continue
        const error = path.startsWith('/api/secrets') ? 'SecretsError' : 'Error'
        expect([name, status, Object.keys(content ?? {})]).toEqual([name, status, ['application/json']])
        expect([name, content?.['application/json']?.schema]).toEqual([name, { $ref: `#/components/schemas/${error}` }])
        expect([name, status, problemOf(found(`#/components/schemas/${error}`) as Schema, content?.['application/json']?.example)]).toEqual([
          name,
          status,
          undefined,
        ])
      }
    }
  })

  test('the example of an error status has the code that the operation answers with', () => {
    const documented: string[] = []
    for (const { name, path, operation } of operations()) {
      const route = routes.get(name)
      const who = route === undefined ? undefined : accessOf(route).who
      for (const [status, { content }] of Object.entries(operation.responses)) {
        const own = Object.entries(errorsOf(name)).find(([each, code]) => each === status && code !== true)?.[1]
        if (status === '404' || status === '409') documented.push(`${name} ${status}`)
        if (Number(status) < 400) continue
        const usual = { 403: who === 'admin' ? 'ROLE_NOT_ALLOWED' : 'MODE_NOT_ALLOWED', 503: 'STORE_UNAVAILABLE' }[status]
        const code = own ?? usual
        if (code === undefined) continue
        const example = content?.['application/json']?.example as { code?: string; message: string } | undefined
        expect([name, status, example?.message]).toEqual([name, status, ERRORS[code as keyof typeof ERRORS].message])
        if (!path.startsWith('/api/secrets')) expect([name, status, example?.code]).toEqual([name, status, code])
      }
    }
    const known = operations().flatMap(({ name }) =>
      Object.keys(errorsOf(name))
        .filter((status) => status === '404' || status === '409')
        .map((status) => `${name} ${status}`),
    )
    expect(known.sort()).toEqual(documented.sort())
    expect(documented.length).toBeGreaterThan(40)
  })

  test('every admin operation names the roles that may call it', () => {
    for (const { name, operation } of operations()) {
      const route = routes.get(name)
      const access = route === undefined ? undefined : accessOf(route)
      if (access?.who !== 'admin') continue
      const said = /Called with the admin token(.*)\.$/.exec(operation.description ?? '')?.[1]
      expect([name, said]).toEqual([name, access.roles.length === 0 ? ' alone' : `, or a token of the role ${access.roles.join(' or ')}`])
    }
  })

  test('exported files have the content type of each format and the manifest header', () => {
    for (const path of ['/partnership/v1/{partnerId}/statements/{month}/export', '/admin/v1/exports']) {
      const answer = description.paths[path]?.['get']?.responses['200']
      expect(Object.keys(answer?.content ?? {})).toEqual(
        expect.arrayContaining(Object.values(EXPORT_FORMATS).map(({ contentType }) => contentType.split(';')[0])),
      )
      expect(answer?.headers).toHaveProperty('x-meterline-manifest')
      const lines = String(answer?.content?.['text/csv']?.example).split('\r\n')
      expect(lines.map((line) => line.split(',').length)).toEqual([EXPORT_COLUMNS.length, EXPORT_COLUMNS.length, 1])
    }
  })

  test('POST /v1/events documents every content type that it accepts', () => {
    expect(Object.keys(description.paths['/v1/events']?.['post']?.requestBody?.content ?? {})).toHaveLength(4)
  })
})

describe('the headers', () => {
  test('the documented headers are in every 401 and every 304', async () => {
    const limited = await startedWithLimits()
    for (const { name, method, path, operation } of operations()) {
      const promised = operation.responses['401']?.headers
      if (promised === undefined) continue
      const answer = await limited.client.call(method, path.replaceAll(/\{\w+\}/g, 'x'), { headers: { authorization: `Bearer ${Math.random()}` } })
      expect([name, answer.status]).toEqual([name, 401])
      for (const header of Object.keys(promised)) expect([name, header, answer.headers.has(header)]).toEqual([name, header, true])
    }
    const admin = { authorization: `Bearer ${limited.client.adminToken}`, 'if-none-match': '*' }
    for (const { name, path, operation } of operations()) {
      const promised = operation.responses['304']?.headers
      if (promised === undefined || path.includes('{') || !JSON.stringify(operation.security ?? []).includes('adminToken')) continue
      const answer = await limited.client.call('GET', path, { headers: admin })
      if (answer.status >= 400) continue
      expect([name, answer.status]).toEqual([name, 304])
      for (const header of Object.keys(promised)) expect([name, header, answer.headers.has(header)]).toEqual([name, header, true])
    }
  })

  test('every reference resolves', () => {
    for (const [reference] of JSON.stringify(description).matchAll(/#\/components\/[\w/-]+/g))
      expect([reference, typeof found(reference)]).toEqual([reference, 'object'])
  })
})

/** The same service again, where requests are counted. One engine runs in a process at a time. */
async function startedWithLimits(): Promise<TestService> {
  await tested.stop()
  tested = await startTestService({ RATE_LIMIT_PER_MINUTE: '1000', EVENT_REQUESTS_PER_MINUTE: '1000' })
  return tested
}

/** The error statuses that a route promises, with the code of its example where it has one of its own. */
function errorsOf(name: string): Readonly<Record<string, unknown>> {
  return { ...routes.get(name)?.config?.operation?.errors }
}

/** Undefined when the example is of the schema. */
function problemOf(schema: Schema, example: unknown): string | undefined {
  const parsed = z.fromJSONSchema(JSON.parse(JSON.stringify(schema, (key, value) => (key === 'example' ? undefined : value)))).safeParse(example)
  return parsed.success ? undefined : parsed.error.message
}

function found(reference: string): unknown {
  return reference
    .split('/')
    .slice(1)
    .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], description)
}

type Route = Parameters<typeof accessOf>[0] & { readonly method: string | string[] }

type Schema = Record<string, unknown>

interface Media {
  readonly schema?: Schema
  readonly example?: unknown
}

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly description?: string
  readonly tags?: string[]
  readonly parameters?: { in: string; name: string; required?: boolean }[]
  readonly security?: Record<string, string[]>[]
  readonly requestBody?: { content: Record<string, Media> }
  readonly responses: Record<string, { description?: string; content?: Record<string, Media>; headers?: Record<string, object> }>
}

interface Description {
  readonly openapi: string
  readonly tags: { name: string; description: string }[]
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: Record<string, Record<string, unknown>>
}
