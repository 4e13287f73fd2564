import { CliError } from '../errors.ts'
import { BEGINNING_BYTES, LINE_FEED, type Position, ROW_BYTES_MAX, type Row, type RowSplitter, TOO_LONG } from './row.ts'

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d]

/**
 * Splits JSON into its events: the elements of an array, those of the array "events" of an object, or an object without one. Only brackets
 * and quotation marks are followed here, so an element that is not JSON otherwise affects no other one.
 */
export function splitJson(start: Position): RowSplitter {
  let { bytes: offset, lines, rows: rowsBefore } = start
  /** The brackets that are open, as their closing ones. */
  const open: number[] = start.depth === 0 ? [] : start.depth === 1 ? [CLOSE_ARRAY] : [CLOSE_OBJECT, CLOSE_ARRAY]
  /** How many of them are around the events; 0 where none is expected or there is an object that may be one itself. */
  let depth = start.depth
  let isInString = false
  let isEscaped = false
  /** The row that has begun. */
  let row: { readonly line: number; readonly parts: Buffer[]; bytes: number } | undefined
  /** In an object that may have "events": the last string, and whether it is the name of the next value. */
  let name: number[] | undefined
  let isEvents = false
  /** Behind the array "events". */
  let isBehindEvents = false

  const endRow = (rows: Row[], end: Position): void => {
    if (row === undefined) return
    const isTooLong = row.bytes > ROW_BYTES_MAX
    const bytes = trimEnd(Buffer.concat(row.parts))
    rowsBefore += 1
    rows.push({
      number: rowsBefore,
      line: row.line,
      bytes: isTooLong ? bytes.subarray(0, BEGINNING_BYTES) : bytes,
      problem: isTooLong ? TOO_LONG : undefined,
      end: { ...end, rows: rowsBefore },
    })
    row = undefined
  }

  const keep = (chunk: Buffer, from: number, to: number): void => {
    if (row === undefined) return
    // What is too long is measured, not kept.
    if (row.bytes <= ROW_BYTES_MAX) row.parts.push(chunk.subarray(from, to))
    row.bytes += to - from
  }

  const push = (chunk: Buffer): Row[] => {
    const rows: Row[] = []
    let from = 0
    const place = (at: number): Position => ({ bytes: offset + at, lines, rows: rowsBefore, depth })
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0
      if (byte === LINE_FEED) lines += 1
      if (isInString) {
        if (isEscaped) isEscaped = false
        else if (byte === BACKSLASH) isEscaped = true
        else if (byte === QUOTE) isInString = false
        if (isInString && name !== undefined && name.length < EVENTS.length + 1) name.push(byte)
        continue
      }
      if (isSpace(byte)) continue
      const isBetween = open.length === depth && !isBehindEvents
      if (isBetween && (byte === COMMA || (depth > 0 && byte === CLOSE_ARRAY))) {
        keep(chunk, from, at)
        endRow(rows, place(at))
        if (byte === COMMA) continue
      } else if (isBetween && row === undefined && !(depth === 0 && byte === OPEN_ARRAY)) {
        row = { line: lines + 1, parts: [], bytes: 0 }
        from = at
      }
      if (byte === QUOTE) {
        isInString = true
        name = depth === 0 && open.length === 1 ? [] : undefined
      } else if (byte === COLON && name !== undefined) {
        isEvents = String.fromCharCode(...name) === EVENTS
        name = undefined
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        open.push(byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY)
        const isArrayOfEvents = byte === OPEN_ARRAY && depth === 0 && !isBehindEvents && (open.length === 1 || (open.length === 2 && isEvents))
        if (isArrayOfEvents) {
          depth = open.length
          row = undefined
        }
        isEvents = false
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        if (open.pop() !== byte) throw notJson(lines + 1)
        if (open.length < depth) {
          isBehindEvents = depth === 2
          depth = 0
        }
        if (open.length === 0 && depth === 0) {
          isBehindEvents = false
          keep(chunk, from, at + 1)
          endRow(rows, place(at + 1))
        }
      } else isEvents = false
    }
    keep(chunk, from, chunk.length)
    offset += chunk.length
    return rows
  }

  return {
    passedBytes: () => offset,
    push,
    finish: () => {
      if (open.length > 0 || isInString) throw new CliError(`The JSON is cut off: it ends on line ${lines + 1}, before its brackets are closed.`)
      const rows: Row[] = []
      // A number or a word outside of an array: it is no event.
      endRow(rows, { bytes: offset, lines, rows: rowsBefore, depth })
      return rows
    },
  }
}

const EVENTS = 'events'

function notJson(line: number): CliError {
  return new CliError(`The content is not JSON: on line ${line} a bracket is closed that is not open.`)
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === LINE_FEED || byte === 0x0d || byte === 0x09
}

function trimEnd(bytes: Buffer): Buffer {
  let end = bytes.length
  while (end > 0 && isSpace(bytes[end - 1] ?? 0)) end -= 1
  return bytes.subarray(0, end)
}
