import { readClosedMonths } from '../../aggregator/statements/closed-months.ts'
import { rejectValidated, type ValidatedEvent } from '../../ingest/event/pipeline.ts'
import { isIndexComplete } from '../../ingest/log/identity-index.ts'
import type { Identity } from '../../ingest/log/look-up.ts'
import { findStoredEvents } from '../../ingest/log/stored-events.ts'
import { monthOf } from '../../metering/month.ts'
import type { Rejection } from '../../metering/rejection-reasons.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'

/**
 * Rejects the corrections of events whose month is closed for the project's partner: an ingest key may not change what was billed. The
 * corrections of operators and finance do not pass through here. An event that is not stored yet is in no closed bill. Without
 * corrections nothing is queried. Throws StoreError.
 */
export async function rejectClosedMonths(clickhouse: ClickHouse, validated: readonly ValidatedEvent[]): Promise<readonly ValidatedEvent[]> {
  const corrected = validated.flatMap((each): Identity[] => (each.status === 'correction' ? [[each.correction.projectId, each.correction.corrects]] : []))
  if (corrected.length === 0) return validated
  const closed = await readClosedMonths(clickhouse, [...new Set(corrected.map(([projectId]) => projectId))])
  const maybeClosed = corrected.filter(([projectId]) => closed.has(projectId))
  if (maybeClosed.length === 0) return validated
  const lookUp = { lane: clickhouse.reads, indexed: await isIndexComplete(clickhouse), secondsMax: LOOK_UP_SECONDS_MAX }
  const { events } = await findStoredEvents(lookUp, maybeClosed)
  return validated.map((each) => {
    if (each.status !== 'correction') return each
    const { projectId, corrects } = each.correction
    const event = events.get(projectId, corrects)
    const month = event === undefined ? undefined : monthOf(event.usageDate)
    return month !== undefined && closed.get(projectId)?.has(month) === true ? rejectValidated(each, monthClosed(month)) : each
  })
}

function monthClosed(month: string): Rejection {
  const message = `The event is of ${month}, which is closed. An operator or finance can correct it with POST /admin/v1/corrections; the next statement has the difference.`
  return { reason: 'month_closed', message }
}

const LOOK_UP_SECONDS_MAX = 30
