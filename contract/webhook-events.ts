/** What can be announced to a webhook. */
export const WEBHOOK_EVENTS = [
  'usage.threshold_reached',
  'usage.threshold_resolved',
  'usage.spike',
  'statement.closed',
  'adjustment.billed',
  'project.silent',
  'project.unregistered',
  'log.incident',
] as const
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number]

/** These are about no partner, so only operators get them. */
const OPERATORS_ONLY: readonly WebhookEvent[] = ['project.unregistered', 'log.incident']
export const PARTNER_WEBHOOK_EVENTS = WEBHOOK_EVENTS.filter((event) => !OPERATORS_ONLY.includes(event))

/** The type of a message that only shows that deliveries arrive. */
export const TEST_EVENT = 'webhook.test'

/** How an attempt to deliver a message can end; `requested` is a request to send it again. */
export const DELIVERY_OUTCOMES = ['delivered', 'http_status', 'timed_out', 'no_answer', 'private_address', 'requested'] as const
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number]

/** Why nothing is sent to a webhook: its owner or an operator has disabled it, the service has, or the partner that owns it is disabled. */
export const DISABLED_REASONS = ['requested', 'failing', 'partner_disabled'] as const

/** How the delivery of a message to a webhook stands. */
export const DELIVERY_STATUSES = ['pending', 'delivered', 'given_up'] as const
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]

export const WEBHOOKS_MAX = 20
/** After so long without any success an endpoint is disabled. */
export const FAILING_DAYS_MAX = 5
/** A message that could not be delivered for so long, and one that is older, is not sent any more. */
export const DELIVERY_DAYS_MAX = 15
/** Messages of the last days can be listed and sent again. */
export const DELIVERY_LOG_DAYS = 30
