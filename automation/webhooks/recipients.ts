import type { WebhookEvent } from '../../contract/webhook-events.ts'
import { type Endpoint, isEnabled } from './endpoints.ts'

export interface About {
  readonly type: WebhookEvent
  /** Empty when it is about no partner. */
  readonly partnerId: string
  /** What happened before an endpoint was as it is now (`enabledMs`) is not sent to it. ms since 1970. */
  readonly sinceMs: number
  /** Only endpoints of this partner, or of operators if it is empty: thresholds are private to who set them. */
  readonly onlyOf?: string
}

/** Who is notified: operators about everything that they chose, a partner about itself. An endpoint that is disabled, or whose partner is, gets nothing. */
export function recipientsOf(endpoints: readonly Endpoint[], about: About): string[] {
  return endpoints.filter((endpoint) => isRecipient(endpoint, about)).map(({ id }) => id)
}

function isRecipient(endpoint: Endpoint, about: About): boolean {
  const { setBy, partnerId, events, enabledMs } = endpoint
  if (!isEnabled(endpoint) || enabledMs > about.sinceMs || !events.includes(about.type)) return false
  if (about.onlyOf !== undefined && about.onlyOf !== setBy) return false
  // A partner's endpoint never gets what is about another partner, or about none.
  if (setBy !== '' && setBy !== about.partnerId) return false
  return partnerId === '' || partnerId === about.partnerId
}
