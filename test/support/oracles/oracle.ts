import { METRIC_NAMES, METRICS, PEAK_METRICS } from '../../../metering/metrics.ts'
import type { TestEvent } from '../clients/client.ts'
import type { TestCorrection } from '../worlds/store-corrections.ts'
import { DEFINED_METRICS, kindOfTested } from './defined-metrics.ts'

/**
 * The expected usage, computed in the simplest way: the first event of an identity counts, days are UTC, a peak is a maximum, a cumulative
 * metric is a sum, and a partnership's peak is the greatest sum of a day over its projects. The latest correction of an event says what it
 * counts. It is exact, in billionths.
 */
export class Oracle {
  readonly counted = new Map<string, TestEvent>()
  /** The value of the latest amendment; undefined for a void, and for an event of a batch that is not closed. */
  readonly #corrected = new Map<string, string | undefined>()
  readonly #closed: ClosedBatch[] = []

  /** Adds events in the order of the log. */
  add(events: readonly TestEvent[]): void {
    for (const event of events) {
      const identity = JSON.stringify([event.project_id, event.event_id])
      if (!this.counted.has(identity)) this.counted.set(identity, event)
    }
  }

  /** Adds events of a batch, with ids of their own, which count only once it is closed. */
  hold(events: readonly TestEvent[]): void {
    this.add(events)
    for (const { project_id, event_id } of events) this.#corrected.set(JSON.stringify([project_id, event_id]), undefined)
  }

  /** From now on the days of a batch have its events, and no others. */
  closeBatch(id: string, window: ReplacedWindow, events: readonly TestEvent[]): void {
    const before = new Map<string, string | undefined>()
    for (const event of this.effective()) {
      if (event.project_id !== window.project_id || event.metric !== window.metric || dayOf(event) < window.from || dayOf(event) > window.to) continue
      before.set(JSON.stringify([event.project_id, event.event_id]), String(event.value))
    }
    for (const { project_id, event_id } of events) before.set(JSON.stringify([project_id, event_id]), undefined)
    for (const identity of before.keys()) this.#corrected.set(identity, undefined)
    for (const { project_id, event_id, value } of events) this.#corrected.set(JSON.stringify([project_id, event_id]), String(value))
    this.#closed.push({ id, window, before })
  }

  /** Each event counts what it did before the batch was closed. False: a later batch has replaced some of its days, so nothing changes. */
  revertBatch(id: string): boolean {
    const at = this.#closed.findIndex((each) => each.id === id)
    const batch = this.#closed[at]
    if (batch === undefined) throw new Error(`The batch ${id} is not closed.`)
    const { project_id, metric, from, to } = batch.window
    const isSame = ({ window }: ClosedBatch) => window.project_id === project_id && window.metric === metric && window.from <= to && window.to >= from
    if (this.#closed.slice(at + 1).some(isSame)) return false
    for (const [identity, value] of batch.before) this.#corrected.set(identity, value)
    this.#closed.splice(at, 1)
    return true
  }

  /** Corrects an event that counts: the latest correction applies. */
  correct({ project_id, corrects, value }: TestCorrection): void {
    this.#corrected.set(JSON.stringify([project_id, corrects]), value)
  }

  /** The metric under which an event counts. */
  metricOf(projectId: string, eventId: string): string | undefined {
    return this.counted.get(JSON.stringify([projectId, eventId]))?.metric
  }

  /** The events that count, with what they count. */
  *effective(): Iterable<TestEvent> {
    for (const [identity, event] of this.counted) {
      if (!this.#corrected.has(identity)) yield event
      const value = this.#corrected.get(identity)
      if (value !== undefined) yield { ...event, value }
    }
  }

  /** The days of a project between two days, both inclusive: day → metric → quantity in billionths. */
  days(projectId: string, from: string, to: string): Map<string, Map<string, bigint>> {
    const events = new Map<string, Map<string, TestEvent[]>>()
    for (const event of this.#between(projectId, from, to)) {
      const day = dayOf(event)
      const ofDay = events.get(day) ?? new Map<string, TestEvent[]>()
      events.set(day, ofDay.set(event.metric, [...(ofDay.get(event.metric) ?? []), event]))
    }
    return new Map([...events].map(([day, ofDay]) => [day, new Map([...ofDay].map(([metric, all]) => [metric, fold(metric, all)]))]))
  }

  project(projectId: string, from: string, to: string, metric: string): string {
    return decimal(this.#project(projectId, from, to, metric))
  }

  /** The different texts of the events of several projects together. */
  union(projectIds: readonly string[], from: string, to: string, metric: string): string {
    return decimal(
      fold(
        metric,
        projectIds.flatMap((projectId) => this.#between(projectId, from, to).filter((event) => event.metric === metric)),
      ),
    )
  }

  /** A fold of all events is that of the days, except for a peak of several projects. */
  #project(projectId: string, from: string, to: string, metric: string): bigint {
    return fold(
      metric,
      this.#between(projectId, from, to).filter((event) => event.metric === metric),
    )
  }

  #between(projectId: string, from: string, to: string): TestEvent[] {
    return [...this.effective()].filter((event) => event.project_id === projectId && dayOf(event) >= from && dayOf(event) <= to)
  }

  partnership(projectIds: readonly string[], from: string, to: string, metric: string): string {
    if (['last', 'unique'].includes(kindOfTested(metric))) return decimal(projectIds.reduce((sum, id) => sum + this.#project(id, from, to, metric), 0n))
    const sums = new Map<string, bigint>()
    for (const projectId of projectIds) {
      for (const [day, usage] of this.days(projectId, from, to)) sums.set(day, (sums.get(day) ?? 0n) + (usage.get(metric) ?? 0n))
    }
    return decimal([...sums.values()].reduce<bigint | undefined>((all, day) => combine(metric, all, day), undefined))
  }

  /** The first day with the greatest sum of a metric over the projects; null if the metric has no event. */
  peakDay(projectIds: readonly string[], from: string, to: string, metric: string): string | null {
    const sums = new Map<string, bigint>()
    for (const projectId of projectIds)
      for (const [day, usage] of this.days(projectId, from, to)) {
        const value = usage.get(metric)
        if (value !== undefined) sums.set(day, (sums.get(day) ?? 0n) + value)
      }
    const greatest = [...sums.values()].reduce((all, sum) => (sum > all ? sum : all), 0n)
    return (
      [...sums]
        .filter(([, sum]) => sum === greatest)
        .map(([day]) => day)
        .sort()[0] ?? null
    )
  }

  /** The sum of the daily values over the projects, and the number of days with a sample of any of them. */
  byteDays(projectIds: readonly string[], from: string, to: string, metric: string): { value: string; days: number } {
    const perProject = projectIds.flatMap((projectId) => [...this.days(projectId, from, to)])
    const sampled = perProject.flatMap(([day, usage]) => (usage.get(metric) === undefined ? [] : [{ day, value: usage.get(metric) ?? 0n }]))
    return { value: decimal(sampled.reduce((sum, { value }) => sum + value, 0n)), days: new Set(sampled.map(({ day }) => day)).size }
  }

  onDay(projectId: string, day: string | null, metric: string): string {
    return decimal(day === null ? undefined : this.days(projectId, day, day).get(day)?.get(metric))
  }
}

/** The days of one month on which a batch replaces the usage of a project and metric, both inclusive. */
export interface ReplacedWindow {
  readonly project_id: string
  readonly metric: string
  readonly from: string
  readonly to: string
}

interface ClosedBatch {
  readonly id: string
  readonly window: ReplacedWindow
  /** What each event counted that the closing changed. */
  readonly before: ReadonlyMap<string, string | undefined>
}

function billionths(value: string): bigint {
  const [integer = '0', fraction = ''] = value.split('.')
  return BigInt(integer) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}

function decimal(value: bigint | undefined): string {
  const digits = (value ?? 0n).toString().padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, '')
}

/** Compares every number of both answers with the oracle. Returns a description of each difference. */
export function differencesFromOracle(
  oracle: Oracle,
  answers: { projects: ReadonlyMap<string, unknown>; partnership: unknown; defined?: Others },
  from: string,
  to: string,
): string[] {
  const differences: string[] = []
  const check = (what: string, actual: unknown, expected: string) => {
    if (actual !== expected) differences.push(`${what}: ${String(actual)} instead of ${expected}`)
  }
  for (const metric of METRIC_NAMES) {
    const { partnershipName, projectSummaryName } = METRICS[metric]
    check(
      `partnership ${metric}`,
      (answers.partnership as Record<string, string>)[partnershipName],
      oracle.partnership([...answers.projects.keys()], from, to, metric),
    )
    for (const [projectId, answer] of answers.projects) {
      const { summary, daily_usage } = answer as { summary: Record<string, string>; daily_usage: Record<string, string>[] }
      check(`${projectId} ${metric}`, summary[projectSummaryName], oracle.project(projectId, from, to, metric))
      const days = oracle.days(projectId, from, to)
      check(`${projectId} days`, daily_usage.map((day) => day['usage_date']).join(), [...days.keys()].sort().join())
      for (const day of daily_usage) check(`${projectId} ${day['usage_date']} ${metric}`, day[metric], decimal(days.get(day['usage_date'] ?? '')?.get(metric)))
    }
  }
  for (const { metric } of answers.defined === undefined ? [] : DEFINED_METRICS)
    check(`partnership ${metric}`, usedOf(answers.defined, metric), oracle.partnership([...answers.projects.keys()], from, to, metric))
  for (const [metric, { kind, union = '' }] of Object.entries(answers.defined ?? {}))
    check(`union ${metric}`, union, kind === 'unique' ? oracle.union([...answers.projects.keys()], from, to, metric) : '')
  for (const [projectId, answer] of answers.projects) {
    const { metrics, daily_usage } = answer as { metrics: Others; daily_usage: { usage_date: string; metrics: Others }[] }
    const days = oracle.days(projectId, from, to)
    for (const { metric, kind, unit } of DEFINED_METRICS) {
      check(`${projectId} ${metric}`, usedOf(metrics, metric), oracle.project(projectId, from, to, metric))
      if (metrics?.[metric] !== undefined) check(`${projectId} ${metric}`, `${metrics[metric].kind} ${metrics[metric].unit}`, `${kind} ${unit}`)
      for (const day of daily_usage)
        check(`${projectId} ${day.usage_date} ${metric}`, usedOf(day.metrics, metric), decimal(days.get(day.usage_date)?.get(metric)))
    }
  }
  return differences
}

/** Compares the byte-days of an answer, of a project or of several together, with the oracle. Returns a description of each difference. */
export function byteDaysFromOracle(oracle: Oracle, projectIds: readonly string[], { period, byte_days }: AnswerWithByteDays): string[] {
  const [from, to] = [period.start.slice(0, 10), period.end.slice(0, 10)]
  const known = [...PEAK_METRICS.map((metric) => ({ metric, unit: METRICS[metric].unit })), ...DEFINED_METRICS.filter(({ kind }) => kind === 'peak')]
  const expected = known.flatMap(({ metric, unit }) => {
    const { value, days } = oracle.byteDays(projectIds, from, to, metric)
    // The documented metrics are always in an answer, the others with samples.
    return days > 0 || METRIC_NAMES.some((name) => name === metric) ? [`${metric} ${value} ${unit}-day ${days}`] : []
  })
  const actual = byte_days.map(({ metric, value, unit, days_with_samples }) => `${metric} ${value} ${unit} ${days_with_samples}`)
  return actual.join() === expected.join() ? [] : [`byte-days of ${projectIds.join()}, ${from} to ${to}: ${actual.join()} instead of ${expected.join()}`]
}

interface AnswerWithByteDays {
  readonly period: { readonly start: string; readonly end: string }
  readonly byte_days: readonly { readonly metric: string; readonly value: string; readonly unit: string; readonly days_with_samples: string | number }[]
}

/** A defined metric without usage is not in an answer. */
function usedOf(others: Others, metric: string): string {
  return others?.[metric]?.value ?? '0'
}

/** `metrics` of an answer: the metrics that are defined beside the documented ones. */
type Others = Readonly<Record<string, { readonly value: string; readonly kind: string; readonly unit: string; readonly union?: string }>> | undefined

function dayOf({ timestamp }: TestEvent): string {
  return new Date(timestamp).toISOString().slice(0, 10)
}

/** The value of events of one metric, in the order of the log. */
function fold(metric: string, events: readonly TestEvent[]): bigint {
  const kind = kindOfTested(metric)
  if (kind === 'unique') return BigInt(new Set(events.map(({ value }) => String(value))).size) * 1_000_000_000n
  if (kind === 'last') return billionths(String(latestOf(events)?.value ?? '0'))
  return events.reduce<bigint | undefined>((all, { value }) => combine(metric, all, billionths(String(value))), undefined) ?? 0n
}

/** On ties the one that is later in the log. */
function latestOf(events: readonly TestEvent[]): TestEvent | undefined {
  return events.reduce<TestEvent | undefined>(
    (latest, event) => (latest !== undefined && Date.parse(latest.timestamp) > Date.parse(event.timestamp) ? latest : event),
    undefined,
  )
}

function combine(metric: string, before: bigint | undefined, value: bigint): bigint {
  if (before === undefined) return value
  if (kindOfTested(metric) !== 'peak') return before + value
  return value > before ? value : before
}
