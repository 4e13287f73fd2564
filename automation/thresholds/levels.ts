import { z } from 'zod'
import { compareDecimals, percentOf } from '../../metering/exact-decimal.ts'
import type { Quantity } from '../../metering/quantity.ts'

/** A value of usage that is notified: an absolute one, or a percentage of the budget of its threshold. */
export type Level = z.output<typeof LevelJson>

const LevelJson = z.union([z.object({ name: z.string(), value: z.string() }), z.object({ name: z.string(), percent_of_budget: z.number().int() })])

/** The levels as they are stored. Throws for anything else: a level must not be lost. */
export function parseLevels(text: string): Level[] {
  return z.array(LevelJson).parse(JSON.parse(text))
}

/** The exact value of a level. Throws when it is a percentage without a budget, which no stored threshold has. */
export function valueOfLevel(level: Level, budget: Quantity | null): Quantity {
  if ('value' in level) return level.value
  if (budget === null) throw new Error(`The level ${level.name} is a percentage of a budget that does not exist.`)
  return percentOf(budget, level.percent_of_budget)
}

/** Whether a budget is missing for one of the levels. */
export function lacksBudget(levels: readonly Level[], budget: Quantity | null): boolean {
  return budget === null && levels.some((level) => 'percent_of_budget' in level)
}

/** The greatest value of the levels of a threshold without a budget. */
export function greatestLevel(levels: readonly Level[]): Quantity {
  const [first, ...others] = levels.map((level) => valueOfLevel(level, null))
  if (first === undefined) throw new Error('A threshold has at least one level.')
  return others.reduce((greatest, value) => (compareDecimals(value, greatest) > 0 ? value : greatest), first)
}
