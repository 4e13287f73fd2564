import type { Rejection } from '../../metering/rejection-reasons.ts'

/** A longer row is rejected alone, as too_large. An event may have 64 KiB; a row may have columns that no event needs. */
export const ROW_BYTES_MAX = 256 * 1024

/** How far a file has been read: everything before this place. */
export interface Position {
  /** Of the unpacked content. */
  readonly bytes: number
  /** Line feeds. */
  readonly lines: number
  /** Rows; blank lines are none. */
  readonly rows: number
  /** For JSON, how many brackets are open: 0 between documents, 1 in an array, 2 in the array "events" of an object. */
  readonly depth: number
}

export const START: Position = { bytes: 0, lines: 0, rows: 0, depth: 0 }

/** A row of a file. */
export interface Row {
  /** 1 for the first row that is not blank. The header of CSV has 0. */
  readonly number: number
  /** The line on which it begins; 1 for the first. */
  readonly line: number
  /** Without the line end. Only the beginning of a row that is too long. */
  readonly bytes: Buffer
  /** Why it cannot be read. */
  readonly problem: Rejection | undefined
  /** The place behind it. */
  readonly end: Position
}

/** Splits content into rows, chunk by chunk. It holds at most one row and one chunk. */
export interface RowSplitter {
  /** The rows that end in this chunk. */
  push(chunk: Buffer): Row[]
  /** The last row, if the content ends without a line end. Throws CliError if the content is cut off. */
  finish(): Row[]
  /** No later row ends before this place. */
  passedBytes(): number
}

export const TOO_LONG: Rejection = { reason: 'too_large', message: `A row has at most ${ROW_BYTES_MAX} bytes.` }
/** What is kept of a row that is too long, to find it. */
export const BEGINNING_BYTES = 1024
export const LINE_FEED = 0x0a

export function countLineFeeds(bytes: Buffer): number {
  let feeds = 0
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) feeds += 1
  return feeds
}
