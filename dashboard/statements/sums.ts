import { addDecimals, compareDecimals } from '../../metering/exact-decimal.ts'
import { groupedBy } from '../../metering/grouped-by.ts'
import type { AdjustmentLine, ProjectLine, StatementTotal } from './read-statements.ts'

/** The lines of one metric, and their sum. */
export interface MetricLines {
  readonly lines: readonly ProjectLine[]
  readonly sum: string
}

/** In the order of the answer, which names each metric once per project. */
export function linesByMetric(projects: readonly ProjectLine[]): ReadonlyMap<string, MetricLines> {
  return new Map([...groupedBy(projects, ({ metric }) => metric)].map(([metric, ofMetric]) => [metric, { lines: ofMetric, sum: sumOf(ofMetric) }]))
}

function sumOf(lines: readonly { readonly value: string }[]): string {
  return lines.reduce((sum, { value }) => addDecimals(sum, value), '0')
}

/** What the adjustments on a statement add to each metric; a metric without one is left out. */
export function adjustmentsByMetric(adjustments: readonly AdjustmentLine[]): ReadonlyMap<string, string> {
  return new Map([...groupedBy(adjustments, ({ metric }) => metric)].map(([metric, lines]) => [metric, sumOf(lines)]))
}

function isZero(quantity: string): boolean {
  return compareDecimals(quantity, '0') === 0
}

/** Of an open month everything is unbilled, which says nothing: there it is left out. */
export function unbilledOf({ unbilled }: StatementTotal): string | undefined {
  return unbilled === undefined || isZero(unbilled) ? undefined : unbilled
}

/** Metrics that were used, or of which something is unbilled. */
export function usedTotals(totals: readonly StatementTotal[]): StatementTotal[] {
  return totals.filter((total) => !isZero(total.value) || unbilledOf(total) !== undefined)
}
