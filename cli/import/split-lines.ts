import type { Rejection } from '../../metering/rejection-reasons.ts'
import { BAD_QUOTE, findRecordEnd, NO_END } from './csv-record.ts'
import { BEGINNING_BYTES, countLineFeeds, LINE_FEED, type Position, ROW_BYTES_MAX, type Row, type RowSplitter, TOO_LONG } from './row.ts'

const CARRIAGE_RETURN = 0x0d
const BAD_QUOTE_REJECTION: Rejection = {
  reason: 'invalid_event',
  message: `A quotation mark on this line is not closed before a delimiter or a line end, within ${ROW_BYTES_MAX} bytes.`,
}

/**
 * Splits NDJSON, or with a delimiter CSV (RFC 4180), into rows. A row that cannot be read affects no other row: of a quotation mark that is
 * not closed only its own line is rejected, and reading goes on with the next line.
 */
export function splitLines(start: Position, delimiter: number | undefined): RowSplitter {
  let position = start
  /** What is read and not split yet. */
  let pending: Buffer = Buffer.alloc(0)
  /** The beginning of a row that is too long, while its rest is read and not kept. */
  let skipped: { readonly line: number; readonly bytes: Buffer } | undefined

  const findEnd = (at: number, isEnd: boolean): number => {
    if (delimiter !== undefined && skipped === undefined) return findRecordEnd(pending, at, { delimiter, isEnd })
    const feed = pending.indexOf(LINE_FEED, at)
    return feed === -1 && isEnd ? pending.length : feed
  }

  /** The row between two positions of `pending`, or undefined if it is blank. */
  const take = (at: number, end: number, problem: Rejection | undefined): Row | undefined => {
    const content = pending.subarray(at, end > at && pending[end - 1] === CARRIAGE_RETURN ? end - 1 : end)
    const isBlank = skipped === undefined && isBlankLine(content)
    const line = skipped?.line ?? position.lines + 1
    const next = Math.min(end + 1, pending.length)
    position = {
      bytes: position.bytes + next - at,
      lines: position.lines + countLineFeeds(pending.subarray(at, next)),
      rows: position.rows + (isBlank ? 0 : 1),
      depth: 0,
    }
    if (isBlank) return undefined
    const isTooLong = skipped !== undefined || content.length > ROW_BYTES_MAX
    const bytes = isTooLong ? (skipped?.bytes ?? content.subarray(0, BEGINNING_BYTES)) : content
    skipped = undefined
    return { number: position.rows, line, bytes, problem: isTooLong ? TOO_LONG : problem, end: position }
  }

  const takeRows = (isEnd: boolean): Row[] => {
    const rows: Row[] = []
    let at = 0
    while (at < pending.length) {
      const isTooLong = pending.length - at > ROW_BYTES_MAX
      const found = findEnd(at, isEnd)
      if (found === NO_END && !isTooLong) break
      // Neither is the end of a row: only the line is taken, and it is rejected.
      const isBroken = found === NO_END || found === BAD_QUOTE
      const feed = isBroken ? pending.indexOf(LINE_FEED, at) : found
      if (feed === -1 && !isEnd) {
        if (isTooLong) at = skip(at)
        break
      }
      const end = feed === -1 ? pending.length : feed
      const row = take(at, end, isBroken ? BAD_QUOTE_REJECTION : undefined)
      if (row !== undefined) rows.push(row)
      at = Math.min(end + 1, pending.length)
    }
    pending = pending.subarray(at)
    return rows
  }

  const skip = (at: number): number => {
    skipped ??= { line: position.lines + 1, bytes: Buffer.from(pending.subarray(at, at + BEGINNING_BYTES)) }
    position = { ...position, bytes: position.bytes + pending.length - at }
    return pending.length
  }

  return {
    passedBytes: () => position.bytes,
    push: (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      return takeRows(false)
    },
    finish: () => {
      const rows = takeRows(true)
      // A row that is too long ended with the content.
      const last = skipped === undefined ? undefined : take(0, 0, undefined)
      return last === undefined ? rows : [...rows, last]
    },
  }
}

function isBlankLine(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09) return false
  return true
}
