import { z } from 'zod'
import { CREATED_AT, IN_FEBRUARY, PARTNER_ID } from './example-values.ts'
import { Instant, PartnerParams, PathId } from './fields.ts'
import { defineOperation, type Operation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'
import {
  DELIVERY_DAYS_MAX,
  DELIVERY_LOG_DAYS,
  DELIVERY_OUTCOMES,
  DELIVERY_STATUSES,
  DISABLED_REASONS,
  FAILING_DAYS_MAX,
  WEBHOOK_EVENTS,
  WEBHOOKS_MAX,
} from './webhook-events.ts'

const URL_CHARACTERS_MAX = 2_048
export const OVERLAP_SECONDS_DEFAULT = 86_400
const OVERLAP_SECONDS_MAX = 7 * 86_400
/** Whose webhooks operators list: their own, or those of all partners too. Any other value is the id of a partner. */
export const SET_BY_OPERATORS = 'operators'
export const SET_BY_ALL = 'all'

const EndpointUrl = z
  .string()
  .min(1)
  .max(URL_CHARACTERS_MAX)
  .meta({ format: 'uri', description: 'http or https, without user and password. It must lead to a public address, or to one that OUTGOING_ALLOW names.' })
const Events = z
  .array(z.enum(WEBHOOK_EVENTS))
  .min(1)
  .max(WEBHOOK_EVENTS.length)
  .meta({ description: 'The types of messages to send. Partners cannot choose project.unregistered and log.incident.' })

const NewWebhook = z.strictObject({ url: EndpointUrl, events: Events })
const NewAdminWebhook = NewWebhook.extend({
  partner_id: z.string().min(1).max(128).optional().meta({ description: 'Only messages about this partner. Default: about all of them.' }),
})
const WebhookUpdate = z.strictObject({
  url: EndpointUrl.optional(),
  events: Events.optional(),
  enabled: z.boolean().optional().meta({ description: 'Enabling continues with the messages that are still pending.' }),
})

const Webhook = z.object({
  id: z.string(),
  set_by: z.string().nullable().meta({ description: 'The partner that created it; null for operators.' }),
  partner_id: z.string().nullable().meta({ description: 'Null for messages about all partners.' }),
  url: z.string(),
  events: z.array(z.string()),
  enabled: z.boolean(),
  disabled_reason: z
    .enum(DISABLED_REASONS)
    .nullable()
    .meta({ description: '`failing`: it was disabled by the service. `partner_disabled`: the partner that owns it is disabled.' }),
  notice: z.string().nullable().meta({ description: 'What to do, when the endpoint fails or is disabled.' }),
  failing_since: Instant.nullable(),
  last_delivered_at: Instant.nullable(),
  created_at: Instant,
  disabled_at: Instant.nullable(),
})

const Delivery = z.object({
  message_id: z.string().meta({ description: 'The header webhook-id.' }),
  type: z.string(),
  status: z.enum(DELIVERY_STATUSES),
  attempts: z.number().int(),
  created_at: Instant,
  last_attempt: z
    .object({ at: Instant, outcome: z.enum(DELIVERY_OUTCOMES), http_status: z.number().int().nullable(), duration_ms: z.number().int() })
    .nullable(),
})

const WEBHOOK_ID = 'wh_3f0c2b6e9d8a4c51b7e0'
const MESSAGE_ID = 'msg_9f2c5d1e8b7a4c3f6e0d9b8a7c6f5e4d'
const SECRET = 'whsec_RVhBTVBMRUVYQU1QTEVFWEFNUExFRVhBTVBMRQ=='
const WEBHOOK = {
  id: WEBHOOK_ID,
  set_by: null,
  partner_id: PARTNER_ID,
  url: 'https://hooks.example.com/meterline',
  events: ['usage.threshold_reached', 'usage.threshold_resolved'],
  enabled: true,
  disabled_reason: null,
  notice: null,
  failing_since: null,
  last_delivered_at: IN_FEBRUARY,
  created_at: CREATED_AT,
  disabled_at: null,
}

const ADMIN_PATH = '/admin/v1/webhooks'
const OWN_PATH = '/partnership/v1/:partnerId/webhooks'
const Id = z.object({ webhookId: PathId })
const OwnId = PartnerParams.extend({ webhookId: PathId })
const MessageIds = Id.extend({ messageId: PathId })
const OwnMessageIds = OwnId.extend({ messageId: PathId })

const READ = { 400: true, 401: true, 404: 'WEBHOOK_NOT_FOUND', 429: true, 500: true, 503: true } as const
const WRITE = { ...READ, 413: true, 415: true } as const
const ADMIN = { 403: true } as const

const LIST = {
  method: 'GET',
  tag: 'webhooks',
  summary: 'List webhooks, oldest first',
  answers: { 200: z.object({ webhooks: z.array(Webhook) }) },
  example: { answers: { 200: { webhooks: [WEBHOOK] } } },
} as const satisfies Partial<Operation>
export const LIST_WEBHOOKS = defineOperation({
  ...LIST,
  path: ADMIN_PATH,
  query: z.strictObject({
    set_by: z
      .string()
      .min(1)
      .max(128)
      .default(SET_BY_OPERATORS)
      .meta({
        description: `Whose webhooks: \`${SET_BY_OPERATORS}\`, the id of a partner, or \`${SET_BY_ALL}\`. Of a partner's webhook, operators can list the deliveries, and disable, enable or remove it.`,
      }),
  }),
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 429: true, 500: true, 503: true },
})
export const LIST_OWN_WEBHOOKS = defineOperation({
  ...LIST,
  path: OWN_PATH,
  params: PartnerParams,
  errors: { 401: true, 404: 'NOT_FOUND', 429: true, 500: true, 503: true },
})

const CREATE = {
  method: 'POST',
  tag: 'webhooks',
  summary: 'Add a webhook',
  description: `Messages are signed according to Standard Webhooks with the secret, which is returned in this answer only. At most ${WEBHOOKS_MAX}. A webhook that nothing could be delivered to for ${FAILING_DAYS_MAX} days is disabled.`,
  answers: { 201: z.object({ webhook: Webhook, secret: z.string() }) },
  example: {
    request: { url: WEBHOOK.url, events: WEBHOOK.events },
    answers: { 201: { webhook: { ...WEBHOOK, last_delivered_at: null }, secret: SECRET } },
  },
} as const satisfies Partial<Operation>
export const CREATE_WEBHOOK = defineOperation({
  ...CREATE,
  path: ADMIN_PATH,
  body: NewAdminWebhook,
  errors: { ...WRITE, ...ADMIN, 404: 'PARTNER_NOT_FOUND', 409: 'TOO_MANY_WEBHOOKS' },
})
export const CREATE_OWN_WEBHOOK = defineOperation({
  ...CREATE,
  path: OWN_PATH,
  params: PartnerParams,
  body: NewWebhook,
  errors: { 400: true, 401: true, 404: 'NOT_FOUND', 409: 'TOO_MANY_WEBHOOKS', 413: true, 415: true, 429: true, 500: true, 503: true },
})

const UPDATE = {
  method: 'PATCH',
  tag: 'webhooks',
  summary: 'Change, disable or enable a webhook',
  description: 'An operator can disable and enable the webhook of a partner; its URL and events belong to the partner.',
  body: WebhookUpdate,
  answers: { 200: z.object({ webhook: Webhook }) },
  example: { request: { enabled: true }, answers: { 200: { webhook: WEBHOOK } } },
} as const satisfies Partial<Operation>
export const UPDATE_WEBHOOK = defineOperation({ ...UPDATE, path: `${ADMIN_PATH}/:webhookId`, params: Id, errors: { ...WRITE, ...ADMIN } })
export const UPDATE_OWN_WEBHOOK = defineOperation({ ...UPDATE, path: `${OWN_PATH}/:webhookId`, params: OwnId, errors: WRITE })

const REMOVE = {
  method: 'DELETE',
  tag: 'webhooks',
  summary: 'Remove a webhook',
  description: 'Nothing more is sent to it. Idempotent.',
  answers: { 200: z.object({ id: z.string(), removed_at: Instant }) },
  example: { answers: { 200: { id: WEBHOOK_ID, removed_at: IN_FEBRUARY } } },
} as const satisfies Partial<Operation>
export const REMOVE_WEBHOOK = defineOperation({ ...REMOVE, path: `${ADMIN_PATH}/:webhookId`, params: Id, errors: { ...WRITE, ...ADMIN } })
export const REMOVE_OWN_WEBHOOK = defineOperation({ ...REMOVE, path: `${OWN_PATH}/:webhookId`, params: OwnId, errors: WRITE })

const ROTATE = {
  method: 'POST',
  tag: 'webhooks',
  summary: 'Replace the secret of a webhook',
  description: 'The new secret is returned in this answer only. Until the overlap is over, messages carry the signatures of both.',
  body: z
    .strictObject({
      overlap_seconds: z.number().int().min(0).max(OVERLAP_SECONDS_MAX).default(OVERLAP_SECONDS_DEFAULT).meta({
        description: '0: the previous secret stops signing immediately.',
      }),
    })
    .nullish(),
  answers: { 200: z.object({ secret: z.string(), previous_expires_at: Instant }) },
  example: { request: { overlap_seconds: 3600 }, answers: { 200: { secret: SECRET, previous_expires_at: '2026-02-04T10:30:00Z' } } },
} as const satisfies Partial<Operation>
export const ROTATE_WEBHOOK_SECRET = defineOperation({ ...ROTATE, path: `${ADMIN_PATH}/:webhookId/secret`, params: Id, errors: { ...WRITE, ...ADMIN } })
export const ROTATE_OWN_WEBHOOK_SECRET = defineOperation({ ...ROTATE, path: `${OWN_PATH}/:webhookId/secret`, params: OwnId, errors: WRITE })

const TEST = {
  method: 'POST',
  tag: 'webhooks',
  summary: 'Send a test message to a webhook',
  description: 'Sends a message of the type webhook.test immediately and once, also to a disabled webhook.',
  answers: {
    200: z.object({
      message_id: z.string(),
      outcome: z.enum(DELIVERY_OUTCOMES),
      http_status: z.number().int().nullable(),
      duration_ms: z.number().int(),
    }),
  },
  example: { answers: { 200: { message_id: MESSAGE_ID, outcome: 'delivered', http_status: 200, duration_ms: 84 } } },
} as const satisfies Partial<Operation>
export const TEST_WEBHOOK = defineOperation({ ...TEST, path: `${ADMIN_PATH}/:webhookId/test`, params: Id, errors: { ...WRITE, ...ADMIN } })
export const TEST_OWN_WEBHOOK = defineOperation({ ...TEST, path: `${OWN_PATH}/:webhookId/test`, params: OwnId, errors: WRITE })

const LOG = {
  method: 'GET',
  tag: 'webhooks',
  summary: 'List the messages of a webhook and how their delivery went',
  description: `Newest first, of the last ${DELIVERY_LOG_DAYS} days. A message that cannot be delivered for ${DELIVERY_DAYS_MAX} days is given up.`,
  query: PageQuery.extend({ status: z.enum(DELIVERY_STATUSES).optional().meta({ description: 'Only these messages.' }) }),
  answers: { 200: z.object({ deliveries: z.array(Delivery), next_cursor: NextCursor }) },
  example: {
    answers: {
      200: {
        deliveries: [
          {
            message_id: MESSAGE_ID,
            type: 'usage.threshold_reached',
            status: 'delivered',
            attempts: 2,
            created_at: IN_FEBRUARY,
            last_attempt: { at: IN_FEBRUARY, outcome: 'delivered', http_status: 200, duration_ms: 120 },
          },
        ],
        next_cursor: null,
      },
    },
  },
} as const satisfies Partial<Operation>
export const LIST_WEBHOOK_DELIVERIES = defineOperation({ ...LOG, path: `${ADMIN_PATH}/:webhookId/deliveries`, params: Id, errors: { ...READ, ...ADMIN } })
export const LIST_OWN_WEBHOOK_DELIVERIES = defineOperation({ ...LOG, path: `${OWN_PATH}/:webhookId/deliveries`, params: OwnId, errors: READ })

const RESEND = {
  method: 'POST',
  tag: 'webhooks',
  summary: 'Send a message again',
  description: 'With the same webhook-id. A message that is still pending is not sent twice.',
  answers: { 200: z.object({ message_id: z.string(), status: z.literal('pending') }) },
  example: { answers: { 200: { message_id: MESSAGE_ID, status: 'pending' } } },
} as const satisfies Partial<Operation>
const RESEND_ERRORS = { ...WRITE, 404: 'WEBHOOK_MESSAGE_NOT_FOUND' } as const
export const RESEND_MESSAGE = defineOperation({
  ...RESEND,
  path: `${ADMIN_PATH}/:webhookId/deliveries/:messageId/resend`,
  params: MessageIds,
  errors: { ...RESEND_ERRORS, ...ADMIN },
})
export const RESEND_OWN_MESSAGE = defineOperation({
  ...RESEND,
  path: `${OWN_PATH}/:webhookId/deliveries/:messageId/resend`,
  params: OwnMessageIds,
  errors: RESEND_ERRORS,
})
