import type { SupervisedProcess } from './supervised-process.ts'

/** The last metrics of each start of an ingest process. Work that a killed process did after its last sample is missing. */
export class SampledMetrics {
  readonly #last = new Map<string, Map<string, number>>()
  /** A description of the progress of consumption. */
  status = 'no metrics yet'
  /** By log, as its last owner said. */
  readonly #lags = new Map<string, number>()
  /** The greatest time that the lowest watermark was behind the clock. */
  watermarkLagSecondsMax = 0

  async sample(ingests: readonly SupervisedProcess[]): Promise<void> {
    const owned = new Map<string, { lag: number; watermark: number }>()
    await Promise.all(
      ingests.map(async (process) => {
        const metrics = await readMetrics(process)
        if (metrics === undefined) return
        const gauge = (name: string) => new Map(metrics.flatMap((metric) => (metric.name === name ? [[metric.labels, metric.value]] : [])))
        const watermarks = gauge('meterline_watermark_seconds')
        for (const [log, lag] of gauge('meterline_log_lag_events')) owned.set(log, { lag, watermark: watermarks.get(log) ?? 0 })
        const sums = new Map<string, number>()
        for (const { name, value } of metrics) if (name.endsWith('_total')) sums.set(name, (sums.get(name) ?? 0) + value)
        this.#last.set(`${process.name} start ${process.starts}`, sums)
      }),
    )
    for (const [log, { lag }] of owned) this.#lags.set(log, lag)
    this.#updateStatus([...owned.values()])
  }

  /** How many events wait, also in logs that have no owner at the moment. */
  lagEvents(): number {
    return [...this.#lags.values()].reduce((sum, lag) => sum + lag, 0)
  }

  #updateStatus(logs: readonly { lag: number; watermark: number }[]): void {
    const lag = logs.reduce((sum, each) => sum + each.lag, 0)
    const behindSeconds = Date.now() / 1000 - Math.min(...logs.map(({ watermark }) => watermark))
    // A log reports 0 before its first watermark.
    if (behindSeconds < DAY_SECONDS) this.watermarkLagSecondsMax = Math.max(this.watermarkLagSecondsMax, behindSeconds)
    this.status = `${logs.length} logs owned, lag ${lag}, lowest watermark ${behindSeconds < DAY_SECONDS ? `${behindSeconds.toFixed(1)} s ago` : 'none'}`
  }

  sum(name: string): number {
    return [...this.#last.values()].reduce((sum, each) => sum + (each.get(name) ?? 0), 0)
  }
}

/** Describes what is not consumed yet: logs without an owner, and events that are not reconciled. */
export async function findLag(ingests: readonly SupervisedProcess[], partitions: number): Promise<string | undefined> {
  const owned = new Map<string, number>()
  const missing: string[] = []
  for (const process of ingests) {
    const metrics = await readMetrics(process)
    if (metrics === undefined) missing.push(`${process.name} does not answer`)
    for (const { name, labels, value } of metrics ?? []) {
      if (name === 'meterline_log_lag_events') owned.set(labels, value)
      if (name === 'meterline_log_incident') missing.push(`${process.name} has stopped: ${labels}`)
      if (name === 'meterline_ready' && value !== 1) missing.push(`${process.name} is not ready`)
    }
  }
  const lag = [...owned.values()].reduce((sum, value) => sum + value, 0)
  if (owned.size !== partitions) missing.push(`${owned.size} of ${partitions} logs have an owner`)
  if (lag > 0) missing.push(`${lag} events are not reconciled`)
  return missing.length === 0 ? undefined : missing.join(', ')
}

interface Metric {
  readonly name: string
  readonly labels: string
  readonly value: number
}

const DAY_SECONDS = 86_400
const READ_MS_MAX = 2_000

async function readMetrics({ url }: SupervisedProcess): Promise<Metric[] | undefined> {
  if (url === undefined) return undefined
  try {
    const text = await (await fetch(new URL('/metrics', url), { signal: AbortSignal.timeout(READ_MS_MAX) })).text()
    return text.split('\n').flatMap((line) => {
      const [, name, labels, value] = /^(\w+)(\{.*\})? (\S+)$/.exec(line) ?? []
      return name === undefined ? [] : [{ name, labels: labels ?? '', value: Number(value) }]
    })
  } catch {
    return undefined
  }
}
