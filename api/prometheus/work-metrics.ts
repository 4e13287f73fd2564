import { Counter, Gauge, type Registry } from 'prom-client'
import type { JobStats } from '../../aggregator/repeat.ts'

/** Metrics of the background jobs of this process, by the name of the job. */
export function workMetrics(register: Registry, stats: () => readonly JobStats[]): void {
  const shared = { labelNames: ['work'], registers: [register] }
  const counter = (name: string, help: string, read: (work: JobStats) => number) =>
    new Counter({
      name,
      help,
      ...shared,
      collect() {
        this.reset()
        for (const work of stats()) this.inc({ work: work.name }, read(work))
      },
    })
  const gauge = (name: string, help: string, read: (work: JobStats) => number) =>
    new Gauge({
      name,
      help,
      ...shared,
      collect() {
        this.reset()
        for (const work of stats()) this.set({ work: work.name }, read(work))
      },
    })
  counter('meterline_work_runs_total', 'Runs of background work that succeeded.', (work) => work.runs)
  counter('meterline_work_failures_total', 'Runs of background work that failed; they are retried.', (work) => work.failures)
  gauge('meterline_work_last_success_seconds', 'When background work last succeeded, in seconds since 1970.', (work) => work.lastSuccessMs / 1000)
  gauge('meterline_work_seconds', 'Duration of the last run.', (work) => work.lastSeconds)
  gauge('meterline_work_every_seconds', 'The pause between two runs, if they are short.', (work) => work.everySeconds)
}
