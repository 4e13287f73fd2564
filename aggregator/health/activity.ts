import { z } from 'zod'
import { REPORT_DAYS_BACK, REPORT_RANGES, type ReportRange } from '../../contract/health-report.ts'
import { REJECT_REASONS } from '../../metering/rejection-reasons.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

export interface Activity {
  readonly intervalSeconds: number
  /** Every interval of the range, oldest first. */
  readonly counted: readonly { readonly fromMs: number; readonly events: number }[]
  /** The most frequent reason first. */
  readonly rejected: readonly z.output<typeof RejectedRow>[]
}

/** How many events were received and rejected in the range up to now. Throws StoreError. */
export async function readActivity({ work }: Pick<ClickHouse, 'work'>, range: ReportRange, nowMs: number): Promise<Activity> {
  const { seconds, intervalSeconds } = REPORT_RANGES[range]
  const intervalMs = intervalSeconds * 1_000
  const firstMs = Math.floor(nowMs / intervalMs) * intervalMs - seconds * 1_000 + intervalMs
  const fromDay = dayOf(firstMs - REPORT_DAYS_BACK * MS_PER_DAY)
  const [counted, rejected] = [
    await work.query(countedEvents, { fromMs: firstMs, intervalSeconds, fromDay }),
    await work.query(rejectedEvents, { fromMs: firstMs }),
  ]
  const byInterval = new Map(counted.map(({ fromMs, events }) => [fromMs, events]))
  const starts = Array.from({ length: seconds / intervalSeconds }, (_, index) => firstMs + index * intervalMs)
  // An interval without a row had no events: the query reads all of them or fails.
  return { intervalSeconds, counted: starts.map((fromMs) => ({ fromMs, events: byInterval.get(fromMs) ?? 0 })), rejected }
}

/** By the time of receipt. The day of the event keeps the query away from the partitions of past years. */
const countedEvents = defineQuery({
  name: 'events_counted_by_interval',
  sql: `
    SELECT toUnixTimestamp(toStartOfInterval(received_at, toIntervalSecond({intervalSeconds: UInt64}))) * 1000 AS fromMs, count() AS events
    FROM raw_usage_events_v1
    WHERE usage_date >= {fromDay: Date} AND received_at >= fromUnixTimestamp64Milli({fromMs: Int64}, 'UTC')
    GROUP BY fromMs ORDER BY fromMs`,
  params: z.object({ fromMs: z.number(), intervalSeconds: z.number(), fromDay: z.string() }),
  row: z.object({ fromMs: z.coerce.number(), events: z.coerce.number() }),
})

const RejectedRow = z.object({ reason: z.enum(REJECT_REASONS), events: z.coerce.number() })

const rejectedEvents = defineQuery({
  name: 'events_rejected_by_reason',
  sql: `
    SELECT reason, count() AS events
    FROM rejected_events_v1
    WHERE received_at >= fromUnixTimestamp64Milli({fromMs: Int64}, 'UTC')
    GROUP BY reason ORDER BY events DESC, reason`,
  params: z.object({ fromMs: z.number() }),
  row: RejectedRow,
})
