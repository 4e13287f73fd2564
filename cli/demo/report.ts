import Table from 'cli-table3'
import { z } from 'zod'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { Emitted } from './emit.ts'

const Summary = z.record(z.string(), z.string())
export const PartnershipAnswer = z.object({
  partnership: z.object({ name: z.string() }),
  period: z.object({ start: z.string(), end: z.string() }),
  summary: Summary,
  as_of: z.string(),
})
export const ProjectAnswer = z.object({
  project: z.object({ id: z.string(), name: z.string(), status: z.string() }),
  summary: Summary,
  daily_usage: z.array(Summary),
})

const HEADINGS: Record<MetricName, string> = {
  database_size_bytes: 'database\n^ MB',
  file_storage_bytes: 'storage\n^ MB',
  ai_tokens: 'ai\ntokens',
  mcp_calls: 'mcp\ncalls',
  egress_bytes: 'egress\nMB',
  ai_credits: 'ai\ncredits',
  email_requests: 'emails',
  function_calls: 'function\ncalls',
  ec2_compute: 'compute\nseconds',
}
const IN_MEGABYTES: readonly MetricName[] = ['database_size_bytes', 'file_storage_bytes', 'egress_bytes']
const PLAIN = { style: { head: [], border: [] }, chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' } }

export function describeEmitted({ sent, accepted, duplicates, rejectedByReason }: Emitted, seconds: number): string[] {
  const rejected = [...rejectedByReason].map(([reason, count]) => `${count} ${reason}`).join(', ')
  return [
    `${grouped(sent)} events sent over HTTP in ${seconds.toFixed(1)} s (${grouped(Math.round(sent / seconds))} a second, each durable when acknowledged)`,
    `  ${grouped(accepted)} counted, ${grouped(duplicates)} duplicates told and not counted, rejected: ${rejected === '' ? 'none' : rejected}`,
  ]
}

/** The partnership's bill: every metric, how it was combined, and its exact value. */
export function partnershipTable({ summary }: z.output<typeof PartnershipAnswer>): string {
  const table = new Table({ head: ['metric', 'kind', 'unit', 'value'], colAligns: ['left', 'left', 'left', 'right'], ...PLAIN })
  for (const metric of METRIC_NAMES) {
    const { partnershipName, kind, unit } = METRICS[metric]
    table.push([partnershipName, kind === 'peak' ? 'peak ^' : 'cumulative', unit, grouped(summary[partnershipName] ?? 'missing')])
  }
  return table.toString()
}

/** One project's days, and below them the same as a period: peaks are maxima, the rest are sums. */
export function projectWeekTable({ summary, daily_usage }: z.output<typeof ProjectAnswer>): string {
  const table = new Table({
    head: ['day', ...METRIC_NAMES.map((metric) => HEADINGS[metric])],
    colAligns: ['left', ...METRIC_NAMES.map(() => 'right' as const)],
    ...PLAIN,
  })
  for (const day of daily_usage) table.push([day['usage_date'] ?? 'missing', ...METRIC_NAMES.map((metric) => cell(metric, day[metric]))])
  table.push(['period', ...METRIC_NAMES.map((metric) => cell(metric, summary[METRICS[metric].projectSummaryName]))])
  return table.toString()
}

/** Thousands apart, digits as they are: quantities are text and never pass through a float. */
export function grouped(value: number | string): string {
  const [integer = '', fraction] = String(value).split('.')
  const apart = integer.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? apart : `${apart}.${fraction}`
}

function cell(metric: MetricName, value: string | undefined): string {
  if (value === undefined) return 'missing'
  return grouped(IN_MEGABYTES.includes(metric) ? megabytes(value) : value)
}

/** Cut, not rounded, by moving the point. For the eye only: the exact bytes are in the answer. */
function megabytes(bytes: string): string {
  return bytes.split('.')[0]?.slice(0, -6) || '0'
}
