import { z } from 'zod'
import type { ExportRequest } from '../../aggregator/exports/exports.ts'
import { type ExportFormat, hasByteDays } from '../../contract/export-formats.ts'
import type { ExportAction } from '../../contract/schedules.ts'
import { periodOfMonth } from '../../metering/month.ts'
import { dayAfter } from '../../metering/period.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { Partner } from '../../registry/partners.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { ownerOf, parseSubject, subjectText } from './object-names.ts'
import { shownTarget } from './shown-target.ts'
import { type Delivery, readNewestDeliveries } from './stored-deliveries.ts'

/** A file to deliver. */
export interface PlannedFile {
  /** What the file is about; the object's name is this and the hash of its bytes. */
  readonly subject: string
  readonly request: ExportRequest
  /** Its newest delivery so far. */
  readonly newest: Delivery | undefined
  readonly changes: number
  /** Days are sent only when they have changed; a month is sent at every run. */
  readonly isDay: boolean
}

/** The newest come first, so that yesterday is never late; more days that have changed are delivered by the next runs. */
const DAYS_PER_RUN_MAX = 31

export interface Planned {
  readonly files: readonly PlannedFile[]
  /** How many changed days are left for the next runs. */
  readonly daysLeft: number
}

interface PlanOptions {
  readonly clickhouse: ClickHouse
  readonly scheduleId: string
  readonly action: ExportAction
  readonly partner: Partner | undefined
  /** The due time of the run: a run that is made up for exports the period that it was due for. */
  readonly dueMs: number
}

/** The files that a run delivers. The number of changes of a day is read before the day: the file has at least these. Throws StoreError. */
export async function planFiles(options: PlanOptions): Promise<Planned> {
  return options.action.period === 'yesterday' ? planDays(options) : { files: [await planMonth(options)], daysLeft: 0 }
}

async function planMonth({ clickhouse, scheduleId, action, partner, dueMs }: PlanOptions): Promise<PlannedFile> {
  const month = monthOfAction(action.period, dueMs)
  const subject = subjectText({ what: action.what, focus: action.focus, hasByteDays: hasByteDays(action), period: month, owner: ownerOf(partner?.id) })
  const newest = (await readNewestDeliveries(clickhouse, scheduleId, { prefix: subject, suffix: subject })).get(subject)
  // Usage is as metered, whether or not the month is closed; statements and charges are as billed once it is.
  const request = { ...formatOf(action), partner, month: action.what === 'usage' ? undefined : month, period: periodOfMonth(month) }
  return { subject, request, newest, changes: 0, isDay: false }
}

async function planDays({ clickhouse, scheduleId, action, partner, dueMs }: PlanOptions): Promise<Planned> {
  const yesterday = dayOf(dueMs - MS_PER_DAY)
  const owner = ownerOf(partner?.id)
  const subjectOf = (day: string) => subjectText({ what: 'usage', focus: undefined, hasByteDays: hasByteDays(action), period: day, owner })
  const prefix = subjectOf(yesterday).slice(0, -`${yesterday}/${owner}`.length)
  const delivered = await readNewestDeliveries(clickhouse, scheduleId, { prefix, suffix: `/${owner}` })
  const first = [...delivered.keys()].map((subject) => parseSubject(subject).period).sort()[0] ?? yesterday
  const changed = new Map((await clickhouse.reads.query(changesOfDays, { first, last: yesterday })).map(({ day, changes }) => [day, changes]))
  // Also a day without events is delivered once, so that its reader knows that it has none.
  const newestFirst = [...new Set([...changed.keys(), yesterday])].sort().reverse()
  const days = newestFirst.filter((day) => {
    const newest = delivered.get(subjectOf(day))
    return newest?.isComplete !== true || newest.changes !== (changed.get(day) ?? 0) || !isDeliveredAs(newest, action)
  })
  const files = days.slice(0, DAYS_PER_RUN_MAX).map((day) => {
    const period = { first: day, last: day, end: dayAfter(day) }
    const request = { ...formatOf(action), partner, month: undefined, period }
    return { subject: subjectOf(day), request, newest: delivered.get(subjectOf(day)), changes: changed.get(day) ?? 0, isDay: true }
  })
  return { files, daysLeft: days.length - files.length }
}

/** Whether a revision is where, and in the format, that the schedule delivers by now. */
export function isDeliveredAs({ name, target }: Delivery, action: ExportAction): boolean {
  return name.endsWith(`.${action.format}`) && (target === '' || target === shownTarget(action))
}

function monthOfAction(period: ExportAction['period'], dueMs: number): string {
  const thisMonth = dayOf(dueMs).slice(0, MONTH_CHARACTERS)
  return period === 'this-month' ? thisMonth : dayOf(Date.parse(`${thisMonth}-01T00:00:00Z`) - MS_PER_DAY).slice(0, MONTH_CHARACTERS)
}

function formatOf(action: ExportAction): Pick<ExportRequest, 'format' | 'focus' | 'withByteDays' | 'csv'> {
  const { what, format, focus } = action
  const name = what === 'focus' ? `focus-${format}` : format
  // For programs: texts as they are.
  return { format: name as ExportFormat, focus, withByteDays: hasByteDays(action), csv: { isGuarded: false, hasBom: false } }
}

const MONTH_CHARACTERS = 'YYYY-MM'.length

const changesOfDays = defineQuery({
  name: 'changes_of_days_to_deliver',
  sql: `SELECT toString(usage_date) AS day, sum(changes) AS changes FROM usage_day_changes_v1
        WHERE usage_date >= {first: Date} AND usage_date <= {last: Date} GROUP BY usage_date`,
  params: z.object({ first: z.string(), last: z.string() }),
  row: z.object({ day: z.string(), changes: z.coerce.number() }),
})
