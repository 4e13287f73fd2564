import { identityOf, type ValidatedEvent } from '../../ingest/event/pipeline.ts'
import type { Verdict } from '../../ingest/log/detect-duplicates.ts'
import type { EventLog } from '../../ingest/log/event-log.ts'

/** What became of the events of a request: how many counted, and which were rejected. */
export function eventsAnswer({ acknowledges }: Pick<EventLog, 'acknowledges'>, validated: readonly ValidatedEvent[], verdicts: readonly Verdict[]) {
  const rejected = rejectedOf(validated, verdicts)
  const countOf = (...statuses: Verdict['status'][]) => verdicts.filter(({ status }) => statuses.includes(status)).length
  if (acknowledges === 'durable') return { accepted: countOf('produced'), rejected }
  return { accepted: countOf('counted', 'already_stored'), duplicates: countOf('duplicate'), rejected }
}

function rejectedOf(validated: readonly ValidatedEvent[], verdicts: readonly Verdict[]) {
  return validated.flatMap((each, index) => {
    const verdict = verdicts[index]
    if (verdict?.status !== 'rejected') return []
    const eventId = each.status === 'rejected' ? each.eventId : identityOf(each).eventId
    return [{ index: each.index, event_id: eventId, ...verdict.rejection }]
  })
}
