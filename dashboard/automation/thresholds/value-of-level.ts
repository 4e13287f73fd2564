import { percentOf } from '../../../metering/exact-decimal.ts'
import type { Threshold } from './call-thresholds.ts'

/** The exact value of a level. The service keeps no percentage without a budget. */
export function valueOfLevel(level: Threshold['levels'][number], budget: string | null): string {
  return 'value' in level ? level.value : percentOf(budget ?? '0', Number(level.percent_of_budget))
}
