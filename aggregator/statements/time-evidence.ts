import { z } from 'zod'
import { endOfMonthMs, type Month, periodOfMonth } from '../../metering/month.ts'
import { dayAfter } from '../../metering/period.ts'
import { dayOf, formatTimestamp, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'

/** The grace period of a month: `[fromMs, endMs)`, in ms since 1970. */
export interface GracePeriod {
  readonly month: Month
  readonly fromMs: number
  readonly endMs: number
}

/**
 * The evidence that time has really passed, as it was when a run of closings began. A clock alone is none: it may have been wrong when the
 * process or the machine started. Evidence is stored, so it survives restarts.
 */
export class TimeEvidence {
  readonly #clickhouse: ClickHouse
  readonly #heartbeatDays: ReadonlySet<string>
  readonly #contradictions = new Map<Month, Promise<string | undefined>>()

  private constructor(clickhouse: ClickHouse, heartbeatDays: ReadonlySet<string>) {
    this.#clickhouse = clickhouse
    this.#heartbeatDays = heartbeatDays
  }

  /** Throws StoreError. */
  static async read(clickhouse: ClickHouse): Promise<TimeEvidence> {
    const days = await clickhouse.reads.query(heartbeatDays, {})
    return new TimeEvidence(clickhouse, new Set(days.map(({ day }) => day)))
  }

  /**
   * Why only a clock says that a grace period is over; undefined when there is evidence: heartbeats on most of its days, and no
   * contradiction by the senders of events. A service that was switched off meanwhile has no heartbeats, so an operator confirms by
   * closing the month. Throws StoreError.
   */
  async findDoubt({ month, fromMs, endMs }: GracePeriod): Promise<string | undefined> {
    const days = daysOf(fromMs, endMs)
    const seen = days.filter((day) => this.#heartbeatDays.has(day)).length
    if (seen * 2 <= days.length)
      return `Heartbeats by a clock that agrees with that of ClickHouse were received on ${seen} of the ${days.length} days of its grace period (${days[0]} to ${days.at(-1)}). Check that the service ran, and the clocks of the hosts that count events.`
    const known = this.#contradictions.get(month)
    if (known !== undefined) return known
    const contradiction = findContradiction(this.#clickhouse, month)
    this.#contradictions.set(month, contradiction)
    return contradiction
  }
}

/** The days that a period touches, at least one. */
function daysOf(fromMs: number, endMs: number): string[] {
  const days = [dayOf(fromMs)]
  for (let day = dayAfter(dayOf(fromMs)); day <= dayOf(endMs - 1); day = dayAfter(day)) days.push(day)
  return days
}

/**
 * The clocks of the senders are independent of ours: if events were received more than a day after the month's end by our clock, and none
 * is dated after the end, then by the senders' clocks the month is not over. Without any events there is nothing to contradict.
 */
async function findContradiction({ reads }: ClickHouse, month: Month): Promise<string | undefined> {
  const { first: from, end } = periodOfMonth(month)
  const { laterDays } = await queryOne(reads, usageDaysFrom, { end })
  if (laterDays > 0) return undefined
  const { receivedMs } = await queryOne(reads, lastReceiptOfMonth, { from, end })
  if (receivedMs < endOfMonthMs(month) + MS_PER_DAY) return undefined
  return `Events were received until ${formatTimestamp(receivedMs)}, and none is dated after the end of ${month}: by the clocks of the senders it is not over.`
}

const heartbeatDays = defineQuery({
  name: 'heartbeat_days',
  sql: 'SELECT DISTINCT day FROM heartbeat_days_v1',
  params: z.object({}),
  row: z.object({ day: z.string() }),
})

const usageDaysFrom = defineQuery({
  name: 'usage_days_from',
  sql: 'SELECT count() AS laterDays FROM usage_day_changes_v1 WHERE usage_date >= {end: Date}',
  params: z.object({ end: z.string() }),
  row: z.object({ laterDays: z.coerce.number() }),
})

/** 0 for a month without events. */
const lastReceiptOfMonth = defineQuery({
  name: 'last_receipt_of_month',
  sql: `SELECT toUnixTimestamp64Milli(max(received_at)) AS receivedMs FROM raw_usage_events_v1
        WHERE usage_date >= {from: Date} AND usage_date < {end: Date}`,
  params: z.object({ from: z.string(), end: z.string() }),
  row: z.object({ receivedMs: z.coerce.number() }),
  settings: { max_execution_time: 600 },
})
