import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

/** Every kind of caller there is. */
const CALLERS = [
  'no credential',
  'wrong token',
  'admin',
  'operator',
  'finance',
  'emitter-manager',
  'white-label',
  'co-branded',
  'ingest key',
  'project code',
  'partner token',
] as const
type Caller = (typeof CALLERS)[number]

const ROLES = ['operator', 'finance', 'emitter-manager'] as const
const MODES: readonly Caller[] = ['white-label', 'co-branded']

const EVERYONE = CALLERS
const ADMIN_TOKEN: readonly Caller[] = ['admin']
const OPERATOR: readonly Caller[] = ['admin', 'operator']
const FINANCE: readonly Caller[] = ['admin', 'operator', 'finance']
const EMITTER_MANAGER: readonly Caller[] = ['admin', 'operator', 'emitter-manager']
const ANY_ADMIN: readonly Caller[] = ['admin', ...ROLES]
const EMITTER: readonly Caller[] = ['ingest key']
const PARTNER_READER: readonly Caller[] = [...MODES, 'partner token']
const WHITE_LABEL: readonly Caller[] = ['white-label']
const CO_BRANDED: readonly Caller[] = ['co-branded']

/**
 * Who may call what: the whole of it, written a second time on purpose. A route that is open to somebody by mistake differs
 * from this table, and one that is new must be put into it.
 */
const WHO_MAY: Record<string, readonly Caller[]> = {
  'GET /.well-known/jwks.json': EVERYONE,
  'GET /healthz': EVERYONE,
  'GET /readyz': EVERYONE,
  'GET /version': EVERYONE,

  'POST /v1/events': EMITTER,
  'GET /v1/rejected-events': EMITTER,

  'GET /partnership/v1/{partnerId}/usage': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/usage/explain': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/usage/projection': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/spikes': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/projects': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/metrics': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/statements': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/statements/{month}': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/statements/{month}/export': PARTNER_READER,
  'GET /partnership/v1/{partnerId}/{projectId}/usage': [...PARTNER_READER, 'project code'],
  'GET /partnership/v1/{partnerId}/{projectId}/usage/projection': [...PARTNER_READER, 'project code'],
  'GET /partnership/v1/{partnerId}/{projectId}/metadata': [...WHITE_LABEL, 'project code'],
  'POST /partnership/v1/{partnerId}/tokens': MODES,
  'POST /partnership/v1/{partnerId}/sync-embedded-project': WHITE_LABEL,
  'POST /partnership/v1/{partnerId}/{projectId}/pause': WHITE_LABEL,
  'POST /partnership/v1/{partnerId}/{projectId}/restore': WHITE_LABEL,
  'POST /partnership/v1/{partnerId}/{projectId}/authorization': WHITE_LABEL,
  'DELETE /partnership/v1/{partnerId}/{projectId}': WHITE_LABEL,
  'POST /partnership/v1/{partnerId}/connect-user': CO_BRANDED,
  'POST /partnership/v1/{partnerId}/{userId}/sync-project': CO_BRANDED,
  'GET /partnership/v1/{partnerId}/{userId}/{projectId}/metadata': CO_BRANDED,

  'GET /partnership/v1/{partnerId}/webhooks': MODES,
  'POST /partnership/v1/{partnerId}/webhooks': MODES,
  'PATCH /partnership/v1/{partnerId}/webhooks/{webhookId}': MODES,
  'DELETE /partnership/v1/{partnerId}/webhooks/{webhookId}': MODES,
  'POST /partnership/v1/{partnerId}/webhooks/{webhookId}/secret': MODES,
  'POST /partnership/v1/{partnerId}/webhooks/{webhookId}/test': MODES,
  'GET /partnership/v1/{partnerId}/webhooks/{webhookId}/deliveries': MODES,
  'POST /partnership/v1/{partnerId}/webhooks/{webhookId}/deliveries/{messageId}/resend': MODES,
  'GET /partnership/v1/{partnerId}/thresholds': MODES,
  'POST /partnership/v1/{partnerId}/thresholds': MODES,
  'PATCH /partnership/v1/{partnerId}/thresholds/{thresholdId}': MODES,
  'DELETE /partnership/v1/{partnerId}/thresholds/{thresholdId}': MODES,
  'GET /partnership/v1/{partnerId}/thresholds/{thresholdId}/history': MODES,
  'GET /partnership/v1/{partnerId}/thresholds/{thresholdId}/budget': MODES,

  'POST /admin/v1/tokens': ADMIN_TOKEN,
  'GET /admin/v1/tokens': ADMIN_TOKEN,
  'DELETE /admin/v1/tokens/{tokenId}': ADMIN_TOKEN,

  'POST /admin/v1/partners': OPERATOR,
  'PATCH /admin/v1/partners/{partnerId}': OPERATOR,
  'POST /admin/v1/partners/{partnerId}/secrets': OPERATOR,
  'DELETE /admin/v1/partners/{partnerId}/secrets/{secretId}': OPERATOR,
  'PUT /admin/v1/projects/{projectId}': OPERATOR,
  'POST /admin/v1/projects/batch': OPERATOR,
  'PUT /admin/v1/accounts/{accountId}': OPERATOR,
  'POST /admin/v1/signing-keys': OPERATOR,
  'GET /admin/v1/signing-keys': OPERATOR,
  'POST /admin/v1/keys/rewrap': OPERATOR,
  'POST /admin/v1/statements/{partnerId}/adjustments': OPERATOR,
  'POST /admin/v1/audits': OPERATOR,
  'POST /admin/v1/rebuilds': OPERATOR,
  'GET /admin/v1/logs': OPERATOR,
  'GET /admin/v1/service-logs': OPERATOR,
  'GET /admin/v1/health-report': OPERATOR,
  'GET /admin/v1/logs/source': OPERATOR,
  'POST /admin/v1/logs/source': OPERATOR,
  'POST /admin/v1/logs/{log}/reset': OPERATOR,
  'POST /admin/v1/logs/repartition': OPERATOR,
  'POST /admin/v1/logs/audits': OPERATOR,
  'POST /admin/v1/replays': OPERATOR,
  'GET /api/secrets': OPERATOR,
  'POST /api/secrets': OPERATOR,
  'GET /api/secrets/{key}': OPERATOR,
  'PUT /api/secrets/{key}': OPERATOR,
  'DELETE /api/secrets/{key}': OPERATOR,
  'GET /api/schedules': OPERATOR,
  'POST /api/schedules': OPERATOR,
  'GET /api/schedules/{scheduleId}': OPERATOR,
  'PATCH /api/schedules/{scheduleId}': OPERATOR,
  'DELETE /api/schedules/{scheduleId}': OPERATOR,
  'POST /api/schedules/{scheduleId}/run': OPERATOR,
  'GET /api/schedules/{scheduleId}/logs': OPERATOR,
  'GET /admin/v1/webhooks': OPERATOR,
  'POST /admin/v1/webhooks': OPERATOR,
  'PATCH /admin/v1/webhooks/{webhookId}': OPERATOR,
  'DELETE /admin/v1/webhooks/{webhookId}': OPERATOR,
  'POST /admin/v1/webhooks/{webhookId}/secret': OPERATOR,
  'POST /admin/v1/webhooks/{webhookId}/test': OPERATOR,
  'GET /admin/v1/webhooks/{webhookId}/deliveries': OPERATOR,
  'POST /admin/v1/webhooks/{webhookId}/deliveries/{messageId}/resend': OPERATOR,
  'GET /admin/v1/thresholds': OPERATOR,
  'POST /admin/v1/thresholds': OPERATOR,
  'PATCH /admin/v1/thresholds/{thresholdId}': OPERATOR,
  'DELETE /admin/v1/thresholds/{thresholdId}': OPERATOR,
  'GET /admin/v1/thresholds/{thresholdId}/history': OPERATOR,
  'GET /admin/v1/thresholds/{thresholdId}/budget': OPERATOR,

  'GET /admin/v1/partners': FINANCE,
  'GET /admin/v1/partners/{partnerId}': FINANCE,
  'GET /admin/v1/partners/{partnerId}/usage': FINANCE,
  'GET /admin/v1/partners/{partnerId}/usage/projection': FINANCE,
  'GET /admin/v1/partners/{partnerId}/projects': FINANCE,
  'GET /admin/v1/projects': FINANCE,
  'GET /admin/v1/projects/{projectId}': FINANCE,
  'GET /admin/v1/projects/{projectId}/usage': FINANCE,
  'GET /admin/v1/projects/{projectId}/usage/projection': FINANCE,
  'GET /admin/v1/spikes': FINANCE,
  'POST /admin/v1/corrections': FINANCE,
  'GET /admin/v1/corrections': FINANCE,
  'POST /admin/v1/correction-batches': FINANCE,
  'GET /admin/v1/correction-batches': FINANCE,
  'GET /admin/v1/correction-batches/{batchId}': FINANCE,
  'POST /admin/v1/correction-batches/{batchId}/events': FINANCE,
  'POST /admin/v1/correction-batches/{batchId}/close': FINANCE,
  'POST /admin/v1/correction-batches/{batchId}/revert': FINANCE,
  'PUT /admin/v1/metrics/{name}': OPERATOR,
  'GET /admin/v1/metrics': ANY_ADMIN,
  'GET /admin/v1/accounts': FINANCE,
  'GET /admin/v1/accounts/{accountId}': FINANCE,
  'GET /admin/v1/audit': FINANCE,
  'GET /admin/v1/audit-log': FINANCE,
  'GET /admin/v1/audits': FINANCE,
  'GET /admin/v1/deliveries': FINANCE,
  'GET /admin/v1/explain': FINANCE,
  'GET /admin/v1/exports': FINANCE,
  'GET /admin/v1/exports/manifest': FINANCE,
  'GET /admin/v1/statements/{partnerId}': FINANCE,
  'GET /admin/v1/statements/{partnerId}/{month}': FINANCE,
  'POST /admin/v1/statements/{partnerId}/{month}/close': FINANCE,

  'POST /admin/v1/ingest-keys': EMITTER_MANAGER,
  'GET /admin/v1/ingest-keys': EMITTER_MANAGER,
  'DELETE /admin/v1/ingest-keys/{keyId}': EMITTER_MANAGER,
  'GET /admin/v1/rejected-events': EMITTER_MANAGER,
  'POST /admin/v1/rejected-events/resend': EMITTER_MANAGER,
  'POST /admin/v1/rejected-events/drop': OPERATOR,

  'GET /admin/v1/silent-projects': ANY_ADMIN,
  'GET /admin/v1/unregistered-projects': ANY_ADMIN,
}

/** Pages and files that the OpenAPI file does not describe. */
const HIDDEN = ['/metrics', '/openapi.json', '/docs/']
/** What they answer depends on whether the dashboard is built. */
const DASHBOARD = ['/', '/embed', '/assets/nothing.js']

let tested: TestService
let headers: Record<Caller, Record<string, string>>
let whiteLabel: Credentials
let coBranded: Credentials
let projectId: string
let routes: Record<string, { security?: Record<string, string[]>[] }>
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  const { admin } = client
  whiteLabel = await client.createPartner('White')
  coBranded = await client.createPartner('Co', 'co-branded')
  projectId = (await client.partner(whiteLabel, 'POST', '/sync-embedded-project', '{"project_name":"p"}')).body.project.id
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const ofRole = async (role: string) => bearer((await admin.call(client, 'POST', '/admin/v1/tokens', { role })).body.token)
  headers = {
    'no credential': {},
    'wrong token': { ...bearer('mli_wrong'), 'x-partnership-secret': 'mls_wrong' },
    admin: bearer(client.adminToken),
    operator: await ofRole('operator'),
    finance: await ofRole('finance'),
    'emitter-manager': await ofRole('emitter-manager'),
    'white-label': { 'x-partnership-secret': whiteLabel.secret },
    'co-branded': { 'x-partnership-secret': coBranded.secret },
    'ingest key': bearer(await client.createIngestKey()),
    'project code': bearer((await client.partner(whiteLabel, 'POST', `/${projectId}/authorization`)).body.code),
    'partner token': bearer((await client.partner(whiteLabel, 'POST', '/tokens')).body.token),
  }
  const { paths } = (await client.call('GET', '/openapi.json')).body
  routes = Object.fromEntries(
    Object.entries(paths as Record<string, Record<string, object>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation]),
    ),
  )
})
afterAll(() => tested.stop())

/** A call that changes nothing when it is allowed: its resources do not exist, or its body is invalid for the route. */
async function statusOf(route: string, caller: Caller): Promise<number> {
  const [method = '', template = ''] = route.split(' ')
  const { partnerId } = caller === 'co-branded' ? coBranded : whiteLabel
  const values: Record<string, string> = template.startsWith('/partnership/') ? { partnerId, projectId } : {}
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? 'nothing')
  const withBody = method !== 'GET'
  const answer = await tested.client.call(method, path, {
    headers: { ...headers[caller], ...(withBody && { 'content-type': 'application/json' }) },
    ...(withBody && { body: '{"not_a_field":1}' }),
  })
  return answer.status
}

function expectedOf(route: string, caller: Caller): 'allowed' | 401 | 403 {
  const may = WHO_MAY[route] ?? []
  if (may.includes(caller)) return 'allowed'
  if (may.includes('admin')) return ROLES.some((role) => role === caller) ? 403 : 401
  return MODES.includes(caller) && may.some((other) => MODES.includes(other)) ? 403 : 401
}

describe('P5: access of every route', () => {
  test('the table of this test names every route and no others', () => {
    expect(Object.keys(routes).sort()).toEqual(Object.keys(WHO_MAY).sort())
  })

  test.each(Object.keys(WHO_MAY))('%s', async (route) => {
    const outcomes: Record<string, number | string> = {}
    const statuses: Record<string, number> = {}
    for (const caller of CALLERS) {
      const status = await statusOf(route, caller)
      statuses[caller] = status
      outcomes[caller] = status === 401 || status === 403 ? status : 'allowed'
    }
    expect(outcomes, JSON.stringify(statuses)).toEqual(Object.fromEntries(CALLERS.map((caller) => [caller, expectedOf(route, caller)])))
  })

  test('the security of the OpenAPI document matches the table', () => {
    for (const [route, { security }] of Object.entries(routes)) {
      const may = WHO_MAY[route] ?? []
      const schemes = [
        ...(may.includes('admin') && !may.includes('no credential') ? ['adminToken'] : []),
        ...(may === EMITTER ? ['ingestKey'] : []),
        ...(may.some((caller) => MODES.includes(caller)) && !may.includes('no credential') ? ['partnerSecret'] : []),
        ...(may.includes('project code') && !may.includes('no credential') ? ['projectToken'] : []),
        ...(may.includes('partner token') && !may.includes('no credential') ? ['partnerToken'] : []),
      ]
      expect([route, (security ?? []).flatMap(Object.keys).sort()]).toEqual([route, schemes.sort()])
    }
  })

  test('public pages are open to every caller', async () => {
    for (const path of HIDDEN) for (const caller of CALLERS) expect([path, caller, await statusOf(`GET ${path}`, caller)]).toEqual([path, caller, 200])
    for (const path of DASHBOARD) for (const caller of CALLERS) expect([401, 403]).not.toContain(await statusOf(`GET ${path}`, caller))
  })
})
