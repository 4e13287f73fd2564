import { parse, stringify } from 'lossless-json'
import { NumberToken } from './quantity.ts'

/**
 * JSON in which numbers keep their text. Node 20's JSON can neither show a parser the digits that stood there nor write a
 * number with more digits than a double has, and a bill needs both.
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
