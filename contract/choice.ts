import { z } from 'zod'
import { didYouMean } from '../metering/nearest-name.ts'

/** One of these names. A mistake is answered with the names of `shown`, where others are only further ways to write them. */
export function choice<const T extends string>(names: readonly T[], { shown, note = '' }: { readonly shown: readonly string[]; readonly note?: string }) {
  return z.enum(names, { error: ({ input }) => (input === undefined ? 'is required' : choiceProblem(input, names, `${shown.join(', ')}${note}`)) })
}

export function choiceProblem(given: unknown, names: readonly string[], list = names.join(', ')): string {
  return `must be one of ${list}.${didYouMean(given, names)}`
}
