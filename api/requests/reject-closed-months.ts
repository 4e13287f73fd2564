import { readClosedMonths } from '../../aggregator/statements/closed-months.ts'
import { rejectValidated, type ValidatedEvent } from '../../ingest/event/pipeline.ts'
import { findCorrectedDays } from '../../ingest/log/corrected-days.ts'
import type { Correction } from '../../metering/correction.ts'
import { monthOf } from '../../metering/month.ts'
import type { Rejection } from '../../metering/rejection-reasons.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'

/**
 * Rejects the corrections of events whose month is closed for the project's partner: an ingest key may not change what was billed. The
 * corrections of operators and finance do not pass through here. An event that is not stored yet is in no closed bill, and a copy of a
 * correction that counted before the month was closed is a duplicate. The other corrections get the days of their events. Without corrections
 * nothing is queried. Throws StoreError.
 */
export async function rejectClosedMonths(clickhouse: ClickHouse, validated: readonly ValidatedEvent[]): Promise<readonly ValidatedEvent[]> {
  const projects = new Set(validated.flatMap((each) => (each.status === 'correction' ? each.correction.projectId : [])))
  if (projects.size === 0) return validated
  const [closed, dated] = await Promise.all([readClosedMonths(clickhouse, [...projects]), withCorrectedDays(clickhouse, validated)])
  return dated.map((each) => {
    if (each.status !== 'correction' || each.usageDate === undefined) return each
    const month = monthOf(each.usageDate)
    return closed.get(each.correction.projectId)?.has(month) === true ? rejectValidated(each, monthClosed(month)) : each
  })
}

/**
 * The same events, and the corrections with the days of the events that they correct: what is stored for a day costs the same, whether an event
 * or a correction of one is stored. A copy of a correction that is stored changes nothing, so it gets none. Throws StoreError.
 */
export async function withCorrectedDays(clickhouse: ClickHouse, validated: readonly ValidatedEvent[]): Promise<readonly ValidatedEvent[]> {
  const corrections = validated.flatMap((each): Correction[] => (each.status === 'correction' ? [each.correction] : []))
  if (corrections.length === 0) return validated
  const found = (await findCorrectedDays(clickhouse, corrections)).values()
  return validated.map((each) => {
    const { day, isCopy } = (each.status === 'correction' ? found.next().value : undefined) ?? { day: undefined, isCopy: false }
    return day === undefined || isCopy ? each : { ...each, usageDate: day }
  })
}

function monthClosed(month: string): Rejection {
  const message = `The event is of ${month}, which is closed. An operator or finance can correct it with POST /admin/v1/corrections; the next statement has the difference.`
  return { reason: 'month_closed', message }
}
