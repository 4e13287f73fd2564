import { LINE_FEED } from './row.ts'

const QUOTE = 0x22
const CARRIAGE_RETURN = 0x0d

/** The bytes end before the record does. */
export const NO_END = -1
/** A quotation mark is not closed, or something other than a delimiter or a line end follows the closing one. */
export const BAD_QUOTE = -2

/**
 * The position of the line feed that ends the CSV record at `from`: the first one outside of quotes. Quotes count only at the beginning of
 * a cell, so 5" is a cell. At the end of the content the record may end without a line feed: then it is the length of the content.
 */
export function findRecordEnd(bytes: Buffer, from: number, { delimiter, isEnd }: { delimiter: number; isEnd: boolean }): number {
  const feed = bytes.indexOf(LINE_FEED, from)
  const lineEnd = feed === -1 ? bytes.length : feed
  const without = isEnd ? bytes.length : NO_END
  if (bytes.subarray(from, lineEnd).indexOf(QUOTE) === -1) return feed === -1 ? without : feed
  for (let at = from; ; at += 1) {
    if (bytes[at] === QUOTE) {
      const closing = closingQuote(bytes, at)
      if (closing === -1) return isEnd ? BAD_QUOTE : NO_END
      at = closing + 1
      if (at < bytes.length && bytes[at] !== delimiter && bytes[at] !== LINE_FEED && bytes[at] !== CARRIAGE_RETURN) return BAD_QUOTE
    }
    while (at < bytes.length && bytes[at] !== delimiter && bytes[at] !== LINE_FEED) at += 1
    if (at >= bytes.length) return without
    if (bytes[at] === LINE_FEED) return at
  }
}

function closingQuote(bytes: Buffer, opening: number): number {
  let at = bytes.indexOf(QUOTE, opening + 1)
  while (at !== -1 && bytes[at + 1] === QUOTE) at = bytes.indexOf(QUOTE, at + 2)
  return at
}

/** The cells of a record that findRecordEnd accepts. */
export function cellsOf(record: string, delimiter: string): string[] {
  if (!record.includes('"')) return record.split(delimiter)
  const cells: string[] = []
  for (let at = 0; at <= record.length; at += 1) {
    let cell = ''
    if (record[at] === '"') {
      let end = record.indexOf('"', at + 1)
      while (record[end + 1] === '"') end = record.indexOf('"', end + 2)
      cell = record.slice(at + 1, end).replaceAll('""', '"')
      at = end + 1
    }
    const next = record.indexOf(delimiter, at)
    const end = next === -1 ? record.length : next
    cells.push(cell + record.slice(at, end))
    at = end
  }
  return cells
}
