import { groupedBy } from '../../metering/grouped-by.ts'
import { METRIC_NAMES, METRICS } from '../../metering/metrics.ts'
import type { Credentials, MeterlineClient } from '../support/clients/client.ts'
import { decimalOf } from './billionths.ts'
import { METRICS_OF_STATES, USERS } from './chaos-metrics.ts'
import { dayOf } from './day-of.ts'
import { combine, partnershipValue, partnershipValueOfStates, quantityOf, valueOfStates } from './expected-values.ts'
import type { CountedEvent } from './folded-project.ts'
import { totalsOf } from './stored.ts'

/** Wider than the generated timestamps: one with a zone can fall on another day in UTC than the one in its text. No longer than an answer may be. */
const PERIODS = [
  ['2023-12-31', '2024-12-30'],
  ['2024-12-31', '2025-12-31'],
  ['2026-01-01', '2026-06-30'],
] as const

export interface CompareAnswersOptions {
  readonly client: MeterlineClient
  readonly partner: Credentials
  readonly projects: readonly string[]
  /** The events that count. */
  readonly expected: readonly CountedEvent[]
}

/** Compares every number that the API returns with the fold. Returns a description of each difference. */
export async function compareAnswers(options: CompareAnswersOptions): Promise<string[]> {
  const differences: string[] = []
  for (const period of PERIODS) differences.push(...(await comparePeriod(options, period)))
  return differences
}

async function comparePeriod(options: CompareAnswersOptions, [from, to]: readonly [string, string]): Promise<string[]> {
  const { client, partner, projects } = options
  const events = options.expected.filter((event) => dayOf(event) >= from && dayOf(event) <= to && projects.includes(event.projectId))
  const expected = totalsOf(events)
  const ofStates = groupedBy(
    events.filter(({ metric }) => METRICS_OF_STATES.includes(metric)),
    ({ projectId }) => projectId,
  )
  const differences: string[] = []
  const check = (what: string, actual: unknown, expectedText: string) => {
    if (actual !== expectedText) differences.push(`api: ${what} is ${String(actual)} instead of ${expectedText}`)
  }
  for (const project of projects) {
    const days = new Map([...(expected.get(project) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
    const { summary, daily_usage, metrics } = (await client.projectUsage(partner, project, from, to)).body
    const answered = new Set<string>(daily_usage.map((day: Record<string, string>) => day['usage_date']))
    check(`${project} days that are missing`, [...days.keys()].filter((day) => !answered.has(day)).join(), '')
    check(`${project} days without events`, [...answered].filter((day) => !days.has(day)).join(), '')
    for (const metric of METRIC_NAMES) {
      const quantities = [...days.values()].flatMap((metrics) => quantityOf(metric, metrics.get(metric)) ?? [])
      check(`${project} ${metric}`, summary[METRICS[metric].projectSummaryName], decimalOf(combine(metric, quantities)))
      for (const day of daily_usage)
        check(`${project} ${day.usage_date} ${metric}`, day[metric], decimalOf(quantityOf(metric, days.get(day.usage_date)?.get(metric)) ?? 0n))
    }
    const byDay = groupedBy(ofStates.get(project) ?? [], dayOf)
    for (const metric of METRICS_OF_STATES) {
      check(`${project} ${metric}`, metrics?.[metric]?.value ?? '0', decimalOf(valueOfStates(metric, ofStates.get(project))))
      for (const day of daily_usage)
        check(`${project} ${day.usage_date} ${metric}`, day.metrics?.[metric]?.value ?? '0', decimalOf(valueOfStates(metric, byDay.get(day.usage_date))))
    }
  }
  const { summary, metrics } = (await client.partnershipUsage(partner, from, to)).body
  for (const metric of METRIC_NAMES)
    check(`partnership ${metric}`, summary[METRICS[metric].partnershipName], decimalOf(partnershipValue(metric, expected, projects)))
  for (const metric of METRICS_OF_STATES) check(`partnership ${metric}`, metrics?.[metric]?.value ?? '0', decimalOf(partnershipValueOfStates(metric, ofStates)))
  check('partnership union', metrics?.[USERS]?.union ?? '0', decimalOf(valueOfStates(USERS, [...ofStates.values()].flat())))
  return differences
}
