import { usageError } from './errors.ts'

/** The number of rows that --limit gives. `what` is their plural. Throws CliError for what is no whole number from 1 to `max`. */
export function limitFrom(text: string, what: string, max?: number): number {
  if (/^[1-9]\d{0,8}$/.test(text) && Number(text) <= (max ?? Number.POSITIVE_INFINITY)) return Number(text)
  throw usageError(`--limit "${text}" is not a number of ${what}.`, max === undefined ? 'Give a number from 1 on.' : `Give a number from 1 to ${max}.`)
}
