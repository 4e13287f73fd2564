import type { ExportShape } from './export-formats.ts'

/**
 * Passes a file on and throws at its end when it is not whole: another number of rows than its manifest says, or a Parquet
 * file without its mark. Who writes a file asks it, and who receives one: a stream may end early and still end normally.
 */
export async function* requireComplete(pieces: AsyncIterable<Uint8Array>, { container, rows }: CompleteFile): AsyncIterable<Uint8Array> {
  const counter = new LineCounter(container === 'csv')
  let tail = Buffer.alloc(0)
  for await (const piece of pieces) {
    if (container === 'parquet') tail = Buffer.concat([tail, piece.subarray(-PARQUET_MARK.length)]).subarray(-PARQUET_MARK.length)
    else counter.add(piece)
    yield piece
  }
  if (container === 'parquet' ? !tail.equals(PARQUET_MARK) : counter.lines !== rows + LINES_BESIDE_ROWS[container])
    throw new Error(`The file is not whole: it ends before it has its ${rows} rows.`)
}

export interface CompleteFile {
  readonly container: ExportShape['container']
  readonly rows: number
}

/** The header; the brackets of the array. */
const LINES_BESIDE_ROWS = { csv: 1, json: 2, ndjson: 0 } as const
/** Stands at both ends of a Parquet file, and is written last. */
const PARQUET_MARK = Buffer.from('PAR1')

/** Counts line ends; in CSV only those outside quotes. Nothing is decoded. */
class LineCounter {
  readonly #quotes: boolean
  #inQuotes = false
  lines = 0

  constructor(quotes: boolean) {
    this.#quotes = quotes
  }

  add(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at]
      if (byte === LINE_FEED && !this.#inQuotes) this.lines += 1
      else if (byte === QUOTE && this.#quotes) this.#inQuotes = !this.#inQuotes
    }
  }
}

const LINE_FEED = 0x0a
const QUOTE = 0x22
