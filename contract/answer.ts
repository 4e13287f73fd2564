import { z } from 'zod'
import { parseExactJson } from '../metering/exact-json.ts'
import { NumberToken } from '../metering/quantity.ts'

/** An answer of the HTTP interface, read by a client with all digits of its quantities. Throws ZodError when it has another shape. */
export function readAnswer<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  return z.decode(schema, plainNumbers(parseExactJson(text)) as z.input<S>)
}

/** Numbers whose text a double repeats exactly become numbers, so that counts are ordinary numbers; the others stay tokens. */
function plainNumbers(value: unknown): unknown {
  if (value instanceof NumberToken) return String(Number(value.text)) === value.text ? Number(value.text) : value
  if (Array.isArray(value)) return value.map(plainNumbers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainNumbers(inner)]))
}
