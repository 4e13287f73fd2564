import { CliError, usageError } from '../errors.ts'
import { notOneOf } from '../not-one-of.ts'
import { LINE_FEED } from './row.ts'

export const FORMATS = ['ndjson', 'json', 'csv'] as const
export type Format = (typeof FORMATS)[number]

/** What the beginning of the content shows. */
export interface Recognised {
  readonly format: Format
  /** Of CSV; one character. */
  readonly delimiter: string | undefined
  readonly byteOrderMarkBytes: number
}

/** The first line is what formats are recognised by; of a longer one its beginning. */
const HEAD_BYTES_MAX = 64 * 1024
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const DELIMITERS = [',', ';', '\t', '|']

export interface GivenFormat {
  readonly format?: string | undefined
  readonly delimiter?: string | undefined
}

/** Throws CliError for a format that does not exist. */
export function requireFormat({ format, delimiter }: GivenFormat): void {
  if (format !== undefined && !FORMATS.some((each) => each === format)) throw notOneOf('--format', format, FORMATS)
  if (delimiter !== undefined && delimiter !== 'tab' && !/^[!-~\t]$/.test(delimiter))
    throw usageError(`--delimiter "${delimiter}" is not one character.`, 'For example --delimiter ";" or --delimiter tab')
}

export function isHeadEnough(head: Buffer): boolean {
  return head.length >= HEAD_BYTES_MAX || firstLine(head).isWhole
}

/** The format of a file by what is given, else by its content and its name. Throws CliError for UTF-16. */
export function recognise(head: Buffer, file: string, given: GivenFormat): Recognised {
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff))
    throw new CliError(`${file} is UTF-16. Save it as UTF-8; Excel calls it "CSV UTF-8".`)
  const byteOrderMarkBytes = head.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0
  const { text } = firstLine(head)
  const format = FORMATS.find((each) => each === given.format) ?? formatOf(text, file)
  const delimiter = given.delimiter === 'tab' ? '\t' : (given.delimiter ?? delimiterOf(text))
  return { format, delimiter: format === 'csv' ? delimiter : undefined, byteOrderMarkBytes }
}

/** JSON in one line and NDJSON begin with the same character, and both are found under the names of the other. */
function formatOf(line: string, file: string): Format {
  if (/\.[ct]sv(\.gz|\.zst)?$/i.test(file)) return 'csv'
  if (line.startsWith('[')) return 'json'
  if (!line.startsWith('{')) return /\.(ndjson|jsonl)(\.gz|\.zst)?$/i.test(file) ? 'ndjson' : 'csv'
  if (/\.(ndjson|jsonl)(\.gz|\.zst)?$/i.test(file)) return 'ndjson'
  try {
    const value: unknown = JSON.parse(line)
    return Array.isArray((value as { events?: unknown }).events) ? 'json' : 'ndjson'
  } catch {
    return 'json'
  }
}

/** The delimiter that the header has most often. */
function delimiterOf(header: string): string {
  const outsideQuotes = header.replaceAll(/"[^"]*"/g, '')
  const [most = ','] = DELIMITERS.toSorted((one, other) => outsideQuotes.split(other).length - outsideQuotes.split(one).length)
  return most
}

function firstLine(head: Buffer): { text: string; isWhole: boolean } {
  let at = head.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0
  while (isSpace(head[at])) at += 1
  const feed = head.indexOf(LINE_FEED, at)
  return { text: head.toString('utf8', at, feed === -1 ? head.length : feed), isWhole: feed !== -1 }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
