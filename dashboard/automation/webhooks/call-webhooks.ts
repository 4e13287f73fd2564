import type { AnswerOf, RequestInput } from '../../../contract/operation.ts'
import type { DeliveryStatus } from '../../../contract/webhook-events.ts'
import type {
  CREATE_OWN_WEBHOOK,
  CREATE_WEBHOOK,
  LIST_OWN_WEBHOOK_DELIVERIES,
  LIST_OWN_WEBHOOKS,
  LIST_WEBHOOK_DELIVERIES,
  LIST_WEBHOOKS,
  REMOVE_OWN_WEBHOOK,
  REMOVE_WEBHOOK,
  RESEND_MESSAGE,
  RESEND_OWN_MESSAGE,
  ROTATE_OWN_WEBHOOK_SECRET,
  ROTATE_WEBHOOK_SECRET,
  TEST_OWN_WEBHOOK,
  TEST_WEBHOOK,
  UPDATE_OWN_WEBHOOK,
  UPDATE_WEBHOOK,
} from '../../../contract/webhooks.ts'
import type { Subject } from '../../address/subject.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

export type Webhook = AsText<AnswerOf<typeof LIST_WEBHOOKS>>['webhooks'][number]
export type NewWebhook = NonNullable<RequestInput<typeof CREATE_WEBHOOK>['body']>
type WebhookChange = NonNullable<RequestInput<typeof UPDATE_WEBHOOK>['body']>
export type EventType = NewWebhook['events'][number]

const DELIVERIES_PER_PAGE = 50

/** For operators, those of all partners too. */
export function readWebhooks({ partnerId, asAdmin }: Subject, signal: AbortSignal) {
  if (asAdmin) return call<typeof LIST_WEBHOOKS>(caller(signal), { method: 'GET', path: '/admin/v1/webhooks', query: { set_by: 'all' } })
  return call<typeof LIST_OWN_WEBHOOKS>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/webhooks', params: { partnerId } })
}

export function createWebhook({ partnerId, asAdmin }: Subject, { partner_id, ...body }: NewWebhook) {
  if (asAdmin) {
    const ofPartner = partner_id === undefined ? body : { ...body, partner_id }
    return call<typeof CREATE_WEBHOOK>(caller(), { method: 'POST', path: '/admin/v1/webhooks', body: ofPartner })
  }
  return call<typeof CREATE_OWN_WEBHOOK>(caller(), { method: 'POST', path: '/partnership/v1/:partnerId/webhooks', params: { partnerId }, body })
}

export function changeWebhook({ partnerId, asAdmin }: Subject, webhookId: string, body: WebhookChange) {
  const request = { method: 'PATCH', params: { partnerId, webhookId }, body } as const
  if (asAdmin) return call<typeof UPDATE_WEBHOOK>(caller(), { ...request, path: '/admin/v1/webhooks/:webhookId' })
  return call<typeof UPDATE_OWN_WEBHOOK>(caller(), { ...request, path: '/partnership/v1/:partnerId/webhooks/:webhookId' })
}

export function removeWebhook({ partnerId, asAdmin }: Subject, webhookId: string) {
  const request = { method: 'DELETE', params: { partnerId, webhookId } } as const
  if (asAdmin) return call<typeof REMOVE_WEBHOOK>(caller(), { ...request, path: '/admin/v1/webhooks/:webhookId' })
  return call<typeof REMOVE_OWN_WEBHOOK>(caller(), { ...request, path: '/partnership/v1/:partnerId/webhooks/:webhookId' })
}

export function rotateSecret({ partnerId, asAdmin }: Subject, webhookId: string, overlapSeconds: number) {
  const request = { method: 'POST', params: { partnerId, webhookId }, body: { overlap_seconds: overlapSeconds } } as const
  if (asAdmin) return call<typeof ROTATE_WEBHOOK_SECRET>(caller(), { ...request, path: '/admin/v1/webhooks/:webhookId/secret' })
  return call<typeof ROTATE_OWN_WEBHOOK_SECRET>(caller(), { ...request, path: '/partnership/v1/:partnerId/webhooks/:webhookId/secret' })
}

export function testWebhook({ partnerId, asAdmin }: Subject, webhookId: string) {
  const request = { method: 'POST', params: { partnerId, webhookId } } as const
  if (asAdmin) return call<typeof TEST_WEBHOOK>(caller(), { ...request, path: '/admin/v1/webhooks/:webhookId/test' })
  return call<typeof TEST_OWN_WEBHOOK>(caller(), { ...request, path: '/partnership/v1/:partnerId/webhooks/:webhookId/test' })
}

export interface DeliveriesQuery {
  /** Undefined: all of them. */
  readonly status: DeliveryStatus | undefined
  readonly cursor: string | undefined
}

export function readDeliveries({ partnerId, asAdmin }: Subject, webhookId: string, { status, cursor }: DeliveriesQuery, signal: AbortSignal) {
  const request = { method: 'GET', params: { partnerId, webhookId }, query: { status, cursor, limit: DELIVERIES_PER_PAGE } } as const
  if (asAdmin) return call<typeof LIST_WEBHOOK_DELIVERIES>(caller(signal), { ...request, path: '/admin/v1/webhooks/:webhookId/deliveries' })
  return call<typeof LIST_OWN_WEBHOOK_DELIVERIES>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/webhooks/:webhookId/deliveries' })
}

export function resendMessage({ partnerId, asAdmin }: Subject, { webhookId, messageId }: { webhookId: string; messageId: string }) {
  const request = { method: 'POST', params: { partnerId, webhookId, messageId } } as const
  if (asAdmin) return call<typeof RESEND_MESSAGE>(caller(), { ...request, path: '/admin/v1/webhooks/:webhookId/deliveries/:messageId/resend' })
  return call<typeof RESEND_OWN_MESSAGE>(caller(), { ...request, path: '/partnership/v1/:partnerId/webhooks/:webhookId/deliveries/:messageId/resend' })
}
