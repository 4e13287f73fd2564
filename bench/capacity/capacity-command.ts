import type { Report } from '../report.ts'
import type { Result } from '../results.ts'
import { type CapacityPlan, capacityOf } from './capacity.ts'
import { inputsOf, newestShardsRun } from './capacity-inputs.ts'
import { capacityTables } from './capacity-report.ts'

/** The defaults are a billion events a day, and a machine as one rents it. */
const DEFAULTS = { 'events-per-day': 1e9, projects: 100_000, cores: 16, 'memory-gib': 64, 'disk-tb': 4 } as const

export const CAPACITY_OPTIONS = {
  'events-per-day': { type: 'string' },
  projects: { type: 'string' },
  cores: { type: 'string' },
  'memory-gib': { type: 'string' },
  'disk-tb': { type: 'string' },
} as const

/** Undefined if an option is not a number above 0. */
export function parsePlan(values: Readonly<Partial<Record<keyof typeof DEFAULTS, string>>>): CapacityPlan | undefined {
  const given = (name: keyof typeof DEFAULTS) => Number(values[name] ?? DEFAULTS[name])
  const plan = {
    eventsPerDay: given('events-per-day'),
    projects: given('projects'),
    cores: given('cores'),
    memoryBytes: given('memory-gib') * 1024 ** 3,
    diskBytes: given('disk-tb') * 1e12,
  }
  return Object.values(plan).every((value) => Number.isFinite(value) && value > 0) ? plan : undefined
}

/** What a load needs, from the newest kept run of `shards` in the folder. Throws if there is none. */
export function reportCapacity(folder: string, plan: CapacityPlan): { report: Report; run: Result } {
  const { file, result } = newestShardsRun(folder)
  const inputs = inputsOf(result)
  const capacity = capacityOf(inputs, plan)
  const { limits, ...needs } = capacity
  const report: Report = {
    name: 'capacity',
    notes: [
      `Computed, not measured: from the figures of bench/results/${file} and limits of the code. The machine is that of the run.`,
      'It is proportional: nothing here says that a store of this size has been run.',
      'When the filters are full, every event is looked up in the index. That is exact, and its price is not among the inputs (docs/design/exactly-once.md has its arithmetic).',
    ],
    tables: capacityTables(inputs, plan, capacity),
    figures: { ...snakeCase(needs), ...Object.fromEntries(limits.map(({ what, days }) => [`${what}_full_after_days`, days])) },
  }
  return { report, run: result }
}

function snakeCase(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]))
}
