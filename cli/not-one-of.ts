import { didYouMean } from '../metering/nearest-name.ts'
import { type CliError, usageError } from './errors.ts'

/** The mistake of an option that has a fixed set of values. `more` is a sentence about what to do instead. */
export function notOneOf(option: string, given: string, choices: readonly string[], more = ''): CliError {
  const next = `${didYouMean(given, choices)} ${more}`.trim()
  return usageError(`${option} "${given}" is none of ${choices.join(', ')}.`, next === '' ? undefined : next)
}
