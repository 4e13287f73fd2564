import type { StoredCorrection } from '../../aggregator/usage/stored-corrections.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'

/** What one correction changed, as explanations and the list of corrections show it. */
export function correctionAnswer({ projectId, eventId, corrects, action, before, after, text, reason, receivedMs }: StoredCorrection) {
  return {
    project_id: projectId,
    event_id: eventId,
    corrects,
    action,
    before: before === null ? null : new NumberToken(before),
    after: after === null ? null : new NumberToken(after),
    ...(text !== '' && { text }),
    reason,
    received_at: formatTimestamp(receivedMs),
  }
}
