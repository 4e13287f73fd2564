import { METRICS, type MetricName } from '../../../metering/metrics.ts'
import { billionths } from '../../chaos/billionths.ts'

export interface OracleThreshold {
  readonly id: string
  /** The projects whose usage counts. */
  readonly projects: readonly string[]
  readonly metric: MetricName
  /** By name. It may change. */
  levels: ReadonlyMap<string, string>
}

/**
 * What should have been announced, computed from the events alone: after each step the value of every month, and for each level whether it
 * is another than before. It shares no code with automation/.
 */
export class ThresholdOracle {
  readonly #samples: { project: string; metric: string; day: string; value: bigint; isPhantom: boolean }[] = []
  readonly #states = new Map<string, { isAlarm: boolean; number: number }>()
  readonly #closed = new Set<string>()
  /** `threshold level month number state`. */
  readonly expected: string[] = []

  add(sample: readonly [project: string, metric: string, day: string, value: string], isPhantom = false): void {
    const [project, metric, day, value] = sample
    this.#samples.push({ project, metric, day, value: billionths(value), isPhantom })
  }

  /** What only the rollup had is gone. */
  rebuilt(month: string): void {
    const left = this.#samples.filter(({ day, isPhantom }) => !isPhantom || !day.startsWith(month))
    this.#samples.splice(0, this.#samples.length, ...left)
  }

  hasPhantoms(month: string): boolean {
    return this.#samples.some(({ day, isPhantom }) => isPhantom && day.startsWith(month))
  }

  close(month: string): void {
    this.#closed.add(month)
  }

  /** Call it after each step, when the evaluators have finished. */
  step(thresholds: readonly OracleThreshold[], months: readonly string[]): void {
    for (const month of months.filter((each) => !this.#closed.has(each)))
      for (const threshold of thresholds) for (const [level, value] of threshold.levels) this.#compare(threshold, { month, level, value: billionths(value) })
  }

  #compare(threshold: OracleThreshold, { month, level, value }: { month: string; level: string; value: bigint }): void {
    const key = `${threshold.id} ${level} ${month}`
    const before = this.#states.get(key) ?? { isAlarm: false, number: 0 }
    const isAlarm = this.#valueOf(threshold, month) >= value
    if (isAlarm === before.isAlarm) return
    this.#states.set(key, { isAlarm, number: before.number + 1 })
    this.expected.push(`${key} ${before.number + 1} ${isAlarm ? 'alarm' : 'ok'}`)
  }

  #valueOf({ projects, metric }: OracleThreshold, month: string): bigint {
    const own = this.#samples.filter((each) => projects.includes(each.project) && each.metric === metric && each.day.startsWith(month))
    const days = [...new Set(own.map(({ day }) => day))]
    const isPeak = METRICS[metric].kind === 'peak'
    const dayValues = days.map((day) => {
      const values = projects.map((project) => own.filter((each) => each.day === day && each.project === project).map((each) => each.value))
      return values.map((samples) => (isPeak ? greatest(samples) : sum(samples))).reduce((left, right) => left + right, 0n)
    })
    return isPeak ? greatest(dayValues) : sum(dayValues)
  }
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n)
}

function greatest(values: readonly bigint[]): bigint {
  let max = 0n
  // Math.max takes no bigint.
  for (const value of values) if (value > max) max = value
  return max
}
