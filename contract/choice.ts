import { didYouMean } from '../metering/nearest-name.ts'

/** What is wrong with a value that is none of these names. `list`: what is shown, where others are only further ways to write them. */
export function choiceProblem(given: unknown, names: readonly string[], list = names.join(', ')): string {
  return `must be one of ${list}.${didYouMean(given, names)}`
}
