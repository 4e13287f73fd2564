import { NumberToken } from '../../metering/quantity.ts'
import { CLOSE_OBJECT, COLON, COMMA, failAt, isDigit, isFailure, MINUS, OPEN_OBJECT, QUOTE, skipSpace, skipString, skipValue } from './scan-json.ts'

/** Bytes that are UTF-8, and the same as text with one character for each byte. */
export interface JsonBytes {
  readonly bytes: Buffer
  readonly text: string
}

/** An object among the members of another one. It is read only if it is needed. */
export class UnreadObject {
  readonly start: number
  constructor(start: number) {
    this.start = start
  }
}

/** Strings, and numbers with all their digits; undefined for values of other kinds, which no field of an event can have. */
export type Member = string | NumberToken | UnreadObject | undefined

/**
 * Reads the members of the object at `start` that have one of the names into `values`, in the order of the names, and skips all others;
 * of two members with one name the last applies, as in every parser. Returns the position behind the object, or a failure (scan-json.ts).
 */
export function readMembers(json: JsonBytes, start: number, names: readonly string[], values: Member[]): number {
  const { text } = json
  let at = skipSpace(text, start + 1)
  if (text.charCodeAt(at) === CLOSE_OBJECT) return at + 1
  for (;;) {
    const nameEnd = skipString(text, at)
    if (isFailure(nameEnd)) return nameEnd
    const colon = skipSpace(text, nameEnd)
    if (text.charCodeAt(colon) !== COLON) return failAt(colon)
    const value = skipSpace(text, colon + 1)
    const end = skipValue(text, value)
    if (isFailure(end)) return end
    const index = indexOfName(json, at, nameEnd, names)
    if (index !== -1) values[index] = memberAt(json, value, end)
    at = skipSpace(text, end)
    const code = text.charCodeAt(at)
    if (code === CLOSE_OBJECT) return at + 1
    if (code !== COMMA) return failAt(at)
    at = skipSpace(text, at + 1)
  }
}

/** The labels of an event, as they are when they are no object. */
export function readLabelsOf(json: JsonBytes, labels: Member): unknown {
  return labels instanceof UnreadObject ? readStrings(json, labels.start) : labels
}

/** The members of the object at `start`, which is JSON: text, null, or undefined for any other value. Of members with one name the last applies. */
function readStrings(json: JsonBytes, start: number): Record<string, string | null | undefined> {
  const { text } = json
  const members: [string, string | null | undefined][] = []
  let at = skipSpace(text, start + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = skipString(text, at)
    const value = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, value)
    const other = text.startsWith('null', value) ? null : undefined
    members.push([stringAt(json, at, nameEnd), text.charCodeAt(value) === QUOTE ? stringAt(json, value, end) : other])
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return Object.fromEntries(members)
}

/** Which of the names the string at `start` is, or -1. It may be written with escapes. */
function indexOfName(json: JsonBytes, start: number, end: number, names: readonly string[]): number {
  const length = end - start - 2
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] ?? ''
    if (name.length === length && json.text.startsWith(name, start + 1)) return index
  }
  if (length > ESCAPED_NAME_CHARACTERS_MAX || !json.text.slice(start, end).includes('\\')) return -1
  return names.indexOf(stringAt(json, start, end))
}

/** Every character of a name can be written with six, as in "\u0076alue". */
const ESCAPED_NAME_CHARACTERS_MAX = 6 * 16

function memberAt(json: JsonBytes, start: number, end: number): Member {
  const code = json.text.charCodeAt(start)
  if (code === QUOTE) return stringAt(json, start, end)
  if (code === OPEN_OBJECT) return new UnreadObject(start)
  return code === MINUS || isDigit(code) ? new NumberToken(json.text.slice(start, end)) : undefined
}

/** The string between the quotes at `start` and before `end`. A long one keeps `text` in memory, so no cache may hold it. */
function stringAt({ bytes, text }: JsonBytes, start: number, end: number): string {
  let at = start + 1
  while (IS_PLAIN[text.charCodeAt(at)] === 1) at += 1
  return at === end - 1 ? text.slice(start + 1, at) : JSON.parse(bytes.toString('utf8', start, end))
}

const BACKSLASH = 0x5c
/** 1 for the bytes that are the same character in every encoding, and no escape. */
const IS_PLAIN = Uint8Array.from({ length: 128 }, (_, byte) => (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0))
