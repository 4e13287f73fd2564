import type { ExportShape } from './export-formats.ts'

export interface CompleteFile {
  readonly container: ExportShape['container']
  readonly rows: number
}

/**
 * Forwards the chunks of an exported file and throws at its end when the file is incomplete: its number of rows differs from its
 * manifest, or it is a Parquet file without its end mark. The server checks what it sends, and a client checks what it receives,
 * because a stream that was cut short can still end normally, and a bill would then miss its last lines.
 */
export async function* requireComplete(chunks: AsyncIterable<Uint8Array>, { container, rows }: CompleteFile): AsyncIterable<Uint8Array> {
  const counter = new LineCounter(container === 'csv')
  let tail: number[] = []
  for await (const chunk of chunks) {
    if (container === 'parquet') tail = [...tail, ...chunk.subarray(-PARQUET_MARK.length)].slice(-PARQUET_MARK.length)
    else counter.add(chunk)
    yield chunk
  }
  if (container === 'parquet' ? !isParquetMark(tail) : counter.lines !== rows + LINES_BESIDE_ROWS[container])
    throw new Error(`The file is incomplete: it ends before it has its ${rows} rows.`)
}

/** A CSV file has a header line, and a JSON array has a line for each bracket. */
const LINES_BESIDE_ROWS = { csv: 1, json: 2, ndjson: 0 } as const
/** "PAR1" is at both ends of a Parquet file and is written last. */
const PARQUET_MARK = [0x50, 0x41, 0x52, 0x31]

function isParquetMark(bytes: readonly number[]): boolean {
  return bytes.length === PARQUET_MARK.length && bytes.every((byte, index) => byte === PARQUET_MARK[index])
}

/** Counts line ends without decoding anything; in CSV only those outside quotes. */
class LineCounter {
  readonly #quotes: boolean
  #inQuotes = false
  lines = 0

  constructor(quotes: boolean) {
    this.#quotes = quotes
  }

  add(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === LINE_FEED && !this.#inQuotes) this.lines += 1
      else if (byte === QUOTE && this.#quotes) this.#inQuotes = !this.#inQuotes
    }
  }
}

const LINE_FEED = 0x0a
const QUOTE = 0x22
