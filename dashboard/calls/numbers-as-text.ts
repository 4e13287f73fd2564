import type { NumberToken } from '../../metering/quantity.ts'

/** An answer as the pages have it: every number is its text, so that no digit goes through a double. */
export type AsText<T> = T extends number | NumberToken
  ? string
  : T extends string | boolean | null | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? readonly AsText<Item>[]
      : { readonly [Key in keyof T]: AsText<T[Key]> }

/** Parses JSON with every number as text. Throws SyntaxError. */
export function parseWithNumbersAsText(json: string): unknown {
  return JSON.parse(json.replaceAll(TEXT_OR_NUMBER, (found) => (found.startsWith('"') ? found : `"${found}"`)))
}

/** Texts are matched first, so that digits inside them stay as they are. */
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
