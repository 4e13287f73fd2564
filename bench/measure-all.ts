import { Closers } from '../service/closers.ts'
import type { NamedMeasurement } from './measurements.ts'
import type { Report, Run } from './report.ts'

export interface AllMeasured {
  readonly reports: readonly Report[]
  /** Measurements that this machine cannot run, or that found an error, with the reason. */
  readonly failed: ReadonlyMap<string, string>
}

/** Runs all measurements one after another; one that fails does not end the others. */
export async function measureAll(
  measurements: Readonly<Record<string, NamedMeasurement>>,
  run: Omit<Run, 'closers' | 'events'>,
  closers: Closers,
): Promise<AllMeasured> {
  const reports: Report[] = []
  const failed = new Map<string, string>()
  for (const [name, { measure, smallEvents }] of Object.entries(measurements)) {
    const own = new Closers()
    closers.add(() => own.closeAll())
    run.progress(`${name} (${reports.length + failed.size + 1} of ${Object.keys(measurements).length})`)
    try {
      reports.push(await measure({ ...run, closers: own, events: run.small ? smallEvents : undefined }))
    } catch (error) {
      failed.set(name, error instanceof Error ? error.message : String(error))
    }
    await own.closeAll()
  }
  return { reports, failed }
}

/** One object for all: ratios keep their names, every other figure gets the name of its measurement in front. */
export function figuresOfAll(reports: readonly Pick<Report, 'name' | 'figures'>[]): Record<string, number> {
  const figures = new Map<string, number>()
  for (const { name, figures: own } of reports) {
    for (const [key, value] of Object.entries(own)) {
      const unique = key.startsWith('ratio_') ? key : `${name}_${key}`
      if (figures.has(unique)) throw new Error(`Two measurements have the figure ${unique}.`)
      figures.set(unique, value)
    }
  }
  return Object.fromEntries(figures)
}
