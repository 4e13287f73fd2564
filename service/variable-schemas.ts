import { z } from 'zod'

export const TrueOrFalse = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true')

/** A whole number from 0 to `max`. */
export const count = (what: string, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be ${what}`)
    .transform(Number)
    .refine((value) => value <= max, `must be at most ${max}`)

/** A text that `parse` accepts; `parse` returns undefined for an invalid one. */
export const parsedBy = <T>(parse: (text: string) => T | undefined, message: string) =>
  z.string().transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })

export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}
