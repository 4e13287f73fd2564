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
 * correction that counted before the month was closed is a duplicate. Without corrections nothing is queried. Throws StoreError.
 */
export async function rejectClosedMonths(clickhouse: Pick<ClickHouse, 'reads'>, validated: readonly ValidatedEvent[]): Promise<readonly ValidatedEvent[]> {
  const corrections = validated.flatMap((each): Correction[] => (each.status === 'correction' ? [each.correction] : []))
  if (corrections.length === 0) return validated
  const closed = await readClosedMonths(clickhouse, [...new Set(corrections.map(({ projectId }) => projectId))])
  const maybeClosed = corrections.filter(({ projectId }) => closed.has(projectId))
  const days = maybeClosed.length === 0 ? [] : await findCorrectedDays(clickhouse, maybeClosed)
  const rejections = new Map<Correction, Rejection>()
  for (const [index, correction] of maybeClosed.entries()) {
    const { day, isCopy } = days[index] ?? { day: undefined, isCopy: false }
    if (day !== undefined && !isCopy && closed.get(correction.projectId)?.has(monthOf(day)) === true) rejections.set(correction, monthClosed(monthOf(day)))
  }
  return validated.map((each) => {
    const rejection = each.status === 'correction' ? rejections.get(each.correction) : undefined
    return rejection === undefined ? each : rejectValidated(each, rejection)
  })
}

function monthClosed(month: string): Rejection {
  const message = `The event is of ${month}, which is closed. An operator or finance can correct it with POST /admin/v1/corrections; the next statement has the difference.`
  return { reason: 'month_closed', message }
}
