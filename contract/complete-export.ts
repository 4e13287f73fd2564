import type { ExportShape } from './export-formats.ts'

export interface CompleteFile {
  readonly container: ExportShape['container']
  readonly rows: number
}

/**
 * Forwards the chunks of an exported file and throws at its end when the file is incomplete: its number of rows differs from its
 * manifest, or it is a Parquet file or a workbook without its end mark. The server checks what it sends, and a client checks what it receives,
 * because a stream that was cut short can still end normally, and a bill would then miss its last lines.
 */
export async function* requireComplete(chunks: AsyncIterable<Uint8Array>, { container, rows }: CompleteFile): AsyncIterable<Uint8Array> {
  const counter = new LineCounter(container === 'csv')
  let tail: number[] = []
  for await (const chunk of chunks) {
    if (isBinary(container)) tail = [...tail, ...chunk.subarray(-TAIL_BYTES)].slice(-TAIL_BYTES)
    else counter.add(chunk)
    yield chunk
  }
  if (isBinary(container) ? !hasEndMark(tail, END_MARKS[container]) : counter.lines !== rows + LINES_BESIDE_ROWS[container])
    throw new Error(`The file is incomplete: it ends before it has its ${rows} rows.`)
}

/** A CSV file has a header line, and a JSON array has a line for each bracket. */
const LINES_BESIDE_ROWS = { csv: 1, json: 2, ndjson: 0 } as const
/**
 * What is written last, and how many bytes before the end it begins. "PAR1" is at both ends of a Parquet file. A workbook is a ZIP file,
 * which ends with the record "PK\5\6" of 22 bytes.
 */
const END_MARKS = {
  parquet: { mark: [0x50, 0x41, 0x52, 0x31], beforeEnd: 4 },
  xlsx: { mark: [0x50, 0x4b, 0x05, 0x06], beforeEnd: 22 },
} as const
/** One more than the longest: something must be before the mark, because a Parquet file begins with it, too. */
const TAIL_BYTES = 23

function isBinary(container: ExportShape['container']): container is keyof typeof END_MARKS {
  return container in END_MARKS
}

function hasEndMark(tail: readonly number[], { mark, beforeEnd }: { readonly mark: readonly number[]; readonly beforeEnd: number }): boolean {
  return tail.length > beforeEnd && mark.every((byte, index) => byte === tail.at(index - beforeEnd))
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
