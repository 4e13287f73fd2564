import type { AnswerChecks } from './check-answers.ts'
import type { MonthClosings } from './close-months.ts'
import { type Fold, sentEvents, windowsOf } from './fold.ts'
import type { Action } from './plan.ts'
import type { Stage } from './run-plan.ts'
import type { SampledMetrics } from './sampled-metrics.ts'
import type { SecondSourceOutcome } from './second-source.ts'
import type { StoredOnServers } from './stored.ts'

export interface SummarizeOptions {
  readonly stage: Stage
  readonly secondSources: readonly SecondSourceOutcome[]
  readonly store: StoredOnServers
  readonly fold: Fold
  readonly metrics: SampledMetrics
  readonly checks: AnswerChecks
  readonly closings: MonthClosings
  readonly done: readonly Action[]
}

/** Prints what was done and what came of it. */
export async function summarize({ stage, secondSources, store, fold, metrics, checks, closings, done }: SummarizeOptions): Promise<void> {
  const { system, load } = stage
  const { acknowledged } = load
  const acquisitions = await store.rows("SELECT sum(acquisitions) FROM leases_v1 WHERE name LIKE '%/chaos-%'")
  const records = [...fold.projects.values()]
  const windows = windowsOf(fold)
  const changes = windows.reduce((sum, window) => sum + window.changes.length, 0)
  const reasons = [...fold.rejected.values()].flatMap((reasonsOfPartition) => [...reasonsOfPartition.values()])
  const pairs = (counts: ReadonlyMap<string, number>) => [...counts].map(([name, count]) => `${name} ${count}`).join(', ') || 'none'
  console.log(`done: ${times(done.map(({ kind }) => kind.replaceAll('_', ' ')))}`)
  console.log(`acknowledged records: ${pairs(acknowledged.records)}; failed or repeated requests: ${pairs(acknowledged.retries)}`)
  console.log(
    `counted ${sentEvents(fold).length}, corrections ${records.reduce((sum, { corrections }) => sum + corrections.size, 0)}, ` +
      `batches ${times(windows.map(({ action }) => action))} with ${changes} corrections, duplicates ${fold.duplicates}, forwarded ${fold.copies}, rejected ${reasons.length} (${times(reasons)}); ` +
      `lease acquisitions ${acquisitions.reduce((sum, [ofServer]) => sum + Number(ofServer), 0)}, repaired keys at least ${metrics.sum('meterline_rollup_repaired_keys_total')}, lowest watermark at most ${metrics.watermarkLagSecondsMax.toFixed(0)} s behind`,
  )
  console.log(`checked ${checks.checked} answers: as_of advanced ${checks.advances} times and passed an uncounted event ${checks.violations.length} times`)
  console.log(`closed ${closings.closedDuringRun} of ${closings.closed.size} months during the run; postponed: ${pairs(closings.postponed)}`)
  if (secondSources.length > 0) console.log(`second sources: ${times(secondSources)}`)
  for (const { name, unexpectedEnds } of [...system.lasting, system.visitor])
    for (const end of unexpectedEnds) console.log(`  ${name} ended unexpectedly: ${end}`)
}

function times(names: readonly string[]): string {
  return [...new Set(names)]
    .sort()
    .map((name) => `${name} ${names.filter((other) => other === name).length}`)
    .join(', ')
}
