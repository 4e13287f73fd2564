import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type Attempt, type EndpointHealth, readHealth } from '../../automation/webhooks/attempts.ts'
import {
  createEndpoint,
  type EndpointKey,
  type EndpointUpdate,
  findOwn,
  type NewEndpoint,
  removeEndpoint,
  rotateEndpointSecret,
  updateEndpoint,
} from '../../automation/webhooks/change-endpoints.ts'
import { type LoggedDelivery, readDeliveries, resendMessage } from '../../automation/webhooks/delivery-log.ts'
import { problemOfUrl } from '../../automation/webhooks/endpoint-url.ts'
import { disabledOf, type Endpoint, isEnabled, listEndpoints, readEndpoints } from '../../automation/webhooks/endpoints.ts'
import { sendTestMessage } from '../../automation/webhooks/send-to-endpoint.ts'
import type { AnswerOf, QueryOf } from '../../contract/operation.ts'
import { FAILING_DAYS_MAX, PARTNER_WEBHOOK_EVENTS, WEBHOOKS_MAX } from '../../contract/webhook-events.ts'
import {
  CREATE_OWN_WEBHOOK,
  CREATE_WEBHOOK,
  LIST_OWN_WEBHOOK_DELIVERIES,
  LIST_OWN_WEBHOOKS,
  LIST_WEBHOOK_DELIVERIES,
  LIST_WEBHOOKS,
  OVERLAP_SECONDS_DEFAULT,
  REMOVE_OWN_WEBHOOK,
  REMOVE_WEBHOOK,
  RESEND_MESSAGE,
  RESEND_OWN_MESSAGE,
  ROTATE_OWN_WEBHOOK_SECRET,
  ROTATE_WEBHOOK_SECRET,
  SET_BY_ALL,
  SET_BY_OPERATORS,
  TEST_OWN_WEBHOOK,
  TEST_WEBHOOK,
  UPDATE_OWN_WEBHOOK,
  UPDATE_WEBHOOK,
} from '../../contract/webhooks.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { OPERATOR, PARTNER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

/** The webhooks of operators. */
export function addWebhookRoutes(app: FastifyInstance, context: ApiContext): void {
  const guarded = { access: OPERATOR, noStore: true } as const
  const keyOf = ({ params }: { params: { webhookId: string } }): EndpointKey => ({ setBy: OPERATORS, endpointId: params.webhookId })
  /** Operators can see, disable and remove those of partners too, because a stolen secret of a partner is enough to add one. */
  const keyOfAny = ({ params }: { params: { webhookId: string } }): EndpointKey => ({ setBy: undefined, endpointId: params.webhookId })
  addRoute(app, LIST_WEBHOOKS, guarded, async ({ query: { set_by } }) => {
    if (set_by === SET_BY_ALL) return list(context, undefined)
    return list(context, set_by === SET_BY_OPERATORS ? OPERATORS : (await requireKnownPartner(context.registry, set_by)).id)
  })
  addRoute(app, CREATE_WEBHOOK, guarded, async (request) => {
    const { url, events, partner_id = '' } = request.body
    if (partner_id !== '') await requireKnownPartner(context.registry, partner_id)
    return create(context, request, { setBy: OPERATORS, partnerId: partner_id, url, events })
  })
  addRoute(app, UPDATE_WEBHOOK, guarded, (request) => update(context, request, keyOfAny(request), request.body))
  addRoute(app, REMOVE_WEBHOOK, guarded, (request) => remove(context, request, keyOfAny(request)))
  addRoute(app, ROTATE_WEBHOOK_SECRET, guarded, (request) => rotate(context, request, keyOf(request), request.body?.overlap_seconds))
  addRoute(app, TEST_WEBHOOK, guarded, (request) => test(context, keyOf(request)))
  addRoute(app, LIST_WEBHOOK_DELIVERIES, guarded, (request) => deliveries(context, keyOfAny(request), request.query))
  addRoute(app, RESEND_MESSAGE, guarded, (request) => resend(context, request, keyOf(request), request.params.messageId))
}

/** The webhooks of a partner: it sees no others, and they get messages about itself only. */
export function addOwnWebhookRoutes(app: FastifyInstance, context: ApiContext): void {
  const guarded = { access: PARTNER, noStore: true } as const
  const keyOf = (request: FastifyRequest & { params: { webhookId: string } }): EndpointKey => {
    return { setBy: partnerOf(request).id, endpointId: request.params.webhookId }
  }
  addRoute(app, LIST_OWN_WEBHOOKS, guarded, (request) => list(context, partnerOf(request).id))
  addRoute(app, CREATE_OWN_WEBHOOK, guarded, (request) => {
    const { id } = partnerOf(request)
    return create(context, request, { setBy: id, partnerId: id, ...request.body })
  })
  addRoute(app, UPDATE_OWN_WEBHOOK, guarded, (request) => update(context, request, keyOf(request), request.body))
  addRoute(app, REMOVE_OWN_WEBHOOK, guarded, (request) => remove(context, request, keyOf(request)))
  addRoute(app, ROTATE_OWN_WEBHOOK_SECRET, guarded, (request) => rotate(context, request, keyOf(request), request.body?.overlap_seconds))
  addRoute(app, TEST_OWN_WEBHOOK, guarded, (request) => test(context, keyOf(request)))
  addRoute(app, LIST_OWN_WEBHOOK_DELIVERIES, guarded, (request) => deliveries(context, keyOf(request), request.query))
  addRoute(app, RESEND_OWN_MESSAGE, guarded, (request) => resend(context, request, keyOf(request), request.params.messageId))
}

/** Who created the webhooks of operators. */
const OPERATORS = ''

type Context = Pick<ApiContext, 'registry' | 'outgoing'>

async function list({ registry }: Context, setBy: string | undefined): Promise<AnswerOf<typeof LIST_WEBHOOKS>> {
  const endpoints = setBy === undefined ? await readEndpoints(registry) : await listEndpoints(registry, setBy)
  const health = await readHealth(registry.clickhouse, endpoints)
  return { webhooks: endpoints.map((endpoint) => webhookAnswer(endpoint, health.get(endpoint.id))) }
}

async function create({ registry, outgoing }: Context, request: FastifyRequest, endpoint: NewEndpoint): Promise<AnswerOf<typeof CREATE_WEBHOOK>> {
  requireUrl(endpoint.url, outgoing)
  requireEvents(endpoint)
  const outcome = await createEndpoint(registry, actorOf(request), { ...endpoint, events: [...new Set(endpoint.events)] })
  if (outcome.status === 'full')
    throw new ApiError('TOO_MANY_WEBHOOKS', `The limit of ${WEBHOOKS_MAX} webhooks is reached. Remove one, or change an existing one.`)
  return { webhook: webhookAnswer(outcome.endpoint, undefined), secret: outcome.secret }
}

async function update(
  { registry, outgoing }: Context,
  request: FastifyRequest,
  key: EndpointKey,
  changes: EndpointUpdate,
): Promise<AnswerOf<typeof UPDATE_WEBHOOK>> {
  if (Object.values(changes).every((value) => value === undefined))
    throw new ApiError('INVALID_REQUEST', 'Nothing to change. Send at least one of url, events and enabled.')
  const { setBy } = await requireEndpoint(registry, key)
  const [taken] = key.setBy === undefined && setBy !== OPERATORS ? (['url', 'events'] as const).filter((field) => changes[field] !== undefined) : []
  if (taken !== undefined)
    throw new ApiError('INVALID_REQUEST', `body.${taken}: only the partner ${setBy} can change this of its webhook. Send enabled, or remove the webhook.`)
  if (changes.url !== undefined) requireUrl(changes.url, outgoing)
  if (changes.events !== undefined) requireEvents({ setBy, events: changes.events })
  const endpoint = await updateEndpoint(registry, actorOf(request), key, changes)
  if (endpoint === undefined) throw new ApiError('WEBHOOK_NOT_FOUND')
  return { webhook: webhookAnswer(endpoint, (await readHealth(registry.clickhouse, [endpoint])).get(endpoint.id)) }
}

async function remove({ registry }: Context, request: FastifyRequest, key: EndpointKey): Promise<AnswerOf<typeof REMOVE_WEBHOOK>> {
  const removed = await removeEndpoint(registry, actorOf(request), key)
  if (removed === undefined) throw new ApiError('WEBHOOK_NOT_FOUND')
  return { id: key.endpointId, removed_at: formatTimestamp(removed.removedMs) }
}

async function rotate(
  { registry }: Context,
  request: FastifyRequest,
  key: EndpointKey,
  overlapSeconds = OVERLAP_SECONDS_DEFAULT,
): Promise<AnswerOf<typeof ROTATE_WEBHOOK_SECRET>> {
  const rotated = await rotateEndpointSecret(registry, actorOf(request), key, overlapSeconds)
  if (rotated === undefined) throw new ApiError('WEBHOOK_NOT_FOUND')
  return { secret: rotated.secret, previous_expires_at: formatTimestamp(rotated.previousExpiresMs) }
}

async function test({ registry, outgoing }: Context, key: EndpointKey): Promise<AnswerOf<typeof TEST_WEBHOOK>> {
  const endpoint = await requireEndpoint(registry, key)
  const { messageId, outcome, httpStatus, durationMs } = await sendTestMessage({ registry, ...outgoing }, endpoint)
  return { message_id: messageId, outcome, http_status: statusOrNull({ outcome, httpStatus }), duration_ms: durationMs }
}

async function deliveries(
  { registry }: Context,
  key: EndpointKey,
  { limit, cursor, status }: QueryOf<typeof LIST_WEBHOOK_DELIVERIES>,
): Promise<AnswerOf<typeof LIST_WEBHOOK_DELIVERIES>> {
  const { id } = await requireEndpoint(registry, key)
  const query = ['webhook deliveries', id, status]
  const [createdMs, messageId] = cursor === undefined ? [] : requirePlace(cursor, query, Place)
  const after = createdMs === undefined || messageId === undefined ? undefined : { createdMs, messageId }
  const rows = await readDeliveries(registry.clickhouse, id, { limit: limit + 1, nowMs: registry.now(), status, after })
  const { shown, next_cursor } = pageOf(rows, limit, (last) => writePlace(query, [last.createdMs, last.messageId]))
  return { deliveries: shown.map(deliveryAnswer), next_cursor }
}

const Place = z.tuple([z.number().int(), z.string()])

async function resend({ registry }: Context, request: FastifyRequest, key: EndpointKey, messageId: string): Promise<AnswerOf<typeof RESEND_MESSAGE>> {
  const endpoint = await requireEndpoint(registry, key)
  const note = () => registry.changes.note(actorOf(request), { action: 'webhook.resend', subject: endpoint.id, details: { message_id: messageId } })
  const outcome = await resendMessage(registry.clickhouse, { endpointId: endpoint.id, messageId, nowMs: registry.now(), note })
  if (outcome === 'not_found') throw new ApiError('WEBHOOK_MESSAGE_NOT_FOUND')
  return { message_id: messageId, status: outcome }
}

async function requireEndpoint(registry: ApiContext['registry'], key: EndpointKey): Promise<Endpoint> {
  const endpoint = await findOwn(registry, key)
  if (endpoint === undefined) throw new ApiError('WEBHOOK_NOT_FOUND')
  return endpoint
}

function requireUrl(url: string, { allowed }: ApiContext['outgoing']): void {
  const problem = problemOfUrl(url, allowed)
  if (problem !== undefined) throw new ApiError('INVALID_REQUEST', `body.url: ${problem}`)
}

function requireEvents({ setBy, events }: Pick<NewEndpoint, 'setBy' | 'events'>): void {
  const [foreign] = setBy === OPERATORS ? [] : events.filter((event) => !PARTNER_WEBHOOK_EVENTS.some((own) => own === event))
  if (foreign !== undefined)
    throw new ApiError('INVALID_REQUEST', `body.events: ${foreign} is for operators only; choose from ${PARTNER_WEBHOOK_EVENTS.join(', ')}`)
}

type WebhookAnswer = AnswerOf<typeof LIST_WEBHOOKS>['webhooks'][number]

function webhookAnswer(endpoint: Endpoint, health: EndpointHealth | undefined): WebhookAnswer {
  const { id, setBy, partnerId, url, events, createdMs } = endpoint
  const disabled = disabledOf(endpoint)
  return {
    id,
    set_by: setBy === OPERATORS ? null : setBy,
    partner_id: partnerId === '' ? null : partnerId,
    url,
    events: [...events],
    enabled: isEnabled(endpoint),
    disabled_reason: disabled?.reason ?? null,
    notice: noticeOf(endpoint, health),
    failing_since: instantOrNull(health?.failingSinceMs),
    last_delivered_at: instantOrNull(health?.lastDeliveredMs),
    created_at: formatTimestamp(createdMs),
    disabled_at: instantOrNull(disabled?.atMs),
  }
}

function noticeOf(endpoint: Endpoint, health: EndpointHealth | undefined): string | null {
  const reason = disabledOf(endpoint)?.reason
  if (reason === 'partner_disabled') return 'Its partner is disabled, so nothing is sent. What is pending is sent when the partner is enabled.'
  if (reason === 'failing')
    return `Nothing could be delivered for ${FAILING_DAYS_MAX} days, so it was disabled. Enable it when its receiver works: the pending messages are sent then.`
  if (reason === 'requested') return 'It is disabled. Pending messages are sent when it is enabled.'
  return typeof health?.failingSinceMs === 'number' ? `Deliveries fail. After ${FAILING_DAYS_MAX} days without a success it is disabled.` : null
}

function deliveryAnswer({
  messageId,
  type,
  status,
  attempts,
  createdMs,
  ...last
}: LoggedDelivery): AnswerOf<typeof LIST_WEBHOOK_DELIVERIES>['deliveries'][number] {
  const { lastMs, lastOutcome: outcome, lastHttpStatus: httpStatus, lastDurationMs } = last
  const attempt =
    outcome === '' ? null : { at: formatTimestamp(lastMs), outcome, http_status: statusOrNull({ outcome, httpStatus }), duration_ms: lastDurationMs }
  return { message_id: messageId, type, status, attempts, created_at: formatTimestamp(createdMs), last_attempt: attempt }
}

function statusOrNull({ outcome, httpStatus }: Pick<Attempt, 'outcome' | 'httpStatus'>): number | null {
  return outcome === 'delivered' || outcome === 'http_status' ? httpStatus : null
}
