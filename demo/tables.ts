import Table from 'cli-table3'
import type { AnswerOf } from '../contract/operation.ts'
import type { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../contract/usage.ts'
import { grouped } from '../metering/grouped.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../metering/metrics.ts'
import type { EmittedStory } from './emit-story.ts'

type PartnershipUsage = AnswerOf<typeof GET_PARTNERSHIP_USAGE>
type ProjectUsage = AnswerOf<typeof GET_PROJECT_USAGE>

const HEADINGS: Record<MetricName, string> = {
  database_size_bytes: 'db ^\nMB',
  file_storage_bytes: 'files ^\nMB',
  ai_tokens: 'ai\ntokens',
  mcp_calls: 'mcp\ncalls',
  egress_bytes: 'egress\nbytes',
  ai_credits: 'ai\ncredits',
  email_requests: 'emails',
  function_calls: 'func.\ncalls',
  ec2_compute: 'compute\nseconds',
}
/** Only peaks are rounded down: rounded days of a cumulative metric would not add up to the week below them. */
const IN_MEGABYTES: readonly MetricName[] = ['database_size_bytes', 'file_storage_bytes']
const CREDIT_DIGITS = 6
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const PLAIN = { style: { head: [], border: [] }, chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' } }

/** How many of the sent events had each outcome. */
export function outcomeLines({ emitted: { sent, accepted, duplicates, rejectedByReason }, late, seconds }: EmittedStory): string[] {
  const rejected = [...rejectedByReason.values()].reduce((sum, count) => sum + count, 0)
  const reasons = [...rejectedByReason].map(([reason, count]) => `${count} ${reason}`).join(', ')
  const line = (count: number, what: string) => `  ${grouped(count).padStart(grouped(sent).length)} ${what}`
  return [
    line(sent, `events sent in ${seconds.toFixed(1)} s (${grouped(Math.round(sent / seconds))} per second), each durable when acknowledged`),
    line(accepted, 'accepted, each counted once'),
    line(late, 'of them late: sent after the end of their day'),
    line(duplicates, 'duplicates: events sent a second time, not counted again'),
    line(rejected, `rejected and stored${rejected === 0 ? '' : `, each with its reason:\n  ${' '.repeat(grouped(sent).length)} ${reasons}`}`),
  ]
}

/** The usage of the partnership: every metric, how it was combined, and its exact value. */
export function partnershipTable({ summary }: PartnershipUsage): string {
  const table = new Table({ head: ['metric', 'kind', 'unit', 'value'], colAligns: ['left', 'left', 'left', 'right'], ...PLAIN })
  for (const metric of METRIC_NAMES) {
    const { partnershipName, kind, unit } = METRICS[metric]
    table.push([partnershipName, kind === 'peak' ? 'peak ^' : kind, unit, grouped(summary[partnershipName].text)])
  }
  return table.toString()
}

/** Deleted projects, and the usage for which they are still billed. */
export function deletedTable(answers: readonly ProjectUsage[]): string {
  const head = ['project', 'status', 'last event', 'db ^ bytes', 'egress bytes', 'ai credits']
  const table = new Table({ head, colAligns: ['left', 'left', 'left', 'right', 'right', 'right'], ...PLAIN })
  for (const { project, summary } of answers) {
    const value = (metric: MetricName) => summary[METRICS[metric].projectSummaryName].text
    const [database, egress] = [grouped(value('database_size_bytes')), grouped(value('egress_bytes'))]
    table.push([project.name, project.status, project.last_activity_at?.slice(0, 10) ?? 'none', database, egress, credits(value('ai_credits'))])
  }
  return table.toString()
}

/** The days of one project, and below them the period: the maximum of a peak metric, the sum of any other. */
export function projectWeekTable({ summary, daily_usage }: ProjectUsage): string {
  const head = ['day', ...METRIC_NAMES.map((metric) => HEADINGS[metric])]
  const table = new Table({ head, colAligns: ['left', ...METRIC_NAMES.map(() => 'right' as const)], ...PLAIN })
  for (const day of daily_usage) {
    table.push([shortDay(day.usage_date), ...METRIC_NAMES.map((metric) => cell(metric, day[metric].text))])
  }
  table.push(['week', ...METRIC_NAMES.map((metric) => cell(metric, summary[METRICS[metric].projectSummaryName].text))])
  return table.toString()
}

function cell(metric: MetricName, value: string): string {
  if (metric === 'ai_credits') return credits(value)
  return grouped(IN_MEGABYTES.includes(metric) ? megabytes(value) : value)
}

/** Pads the fraction with zeros, which change nothing and align the decimal points. */
function credits(value: string): string {
  const [integer = '', fraction = ''] = value.split('.')
  return grouped(`${integer}.${fraction.padEnd(CREDIT_DIGITS, '0')}`)
}

/** Rounds down to megabytes by moving the decimal point. For display only: the API returns the exact bytes. */
function megabytes(bytes: string): string {
  return bytes.split('.')[0]?.slice(0, -6) || '0'
}

function shortDay(day: string): string {
  return `${WEEKDAYS[new Date(`${day}T00:00:00Z`).getUTCDay()]} ${day.slice(5)}`
}
