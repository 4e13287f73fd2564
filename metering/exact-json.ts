import { parse, stringify } from 'lossless-json'
import { NumberToken } from './quantity.ts'

/**
 * Parses JSON and keeps the text of each number as a NumberToken. The built-in JSON of Node 20 can neither return the digits of
 * a number as they were written nor write a number with more digits than a double has, and a bill needs both.
 */
export function parseExactJson(text: string): unknown {
  return parse(text, undefined, { parseNumber: (digits) => new NumberToken(digits), onDuplicateKey: ({ newValue }) => newValue })
}

/** Writes NumberToken instances as plain number tokens with all their digits. */
export function stringifyExactJson(value: unknown): string {
  return stringify(value, undefined, undefined, [EXACT_NUMBERS]) ?? 'null'
}

const EXACT_NUMBERS = {
  test: (value: unknown) => value instanceof NumberToken,
  stringify: (value: unknown) => (value as NumberToken).text,
}
