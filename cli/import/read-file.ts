import { isUtf8 } from 'node:buffer'
import { CliError } from '../errors.ts'
import { placesOf, type Sources } from './columns.ts'
import { cellsOf } from './csv-record.ts'
import { HashedPrefix } from './hashed-prefix.ts'
import { nameOf, openContent } from './open-content.ts'
import { peek } from './peek.ts'
import { type ReadOptions, type ReadRow, readEvent } from './read-event.ts'
import { type Format, type GivenFormat, isHeadEnough, recognise } from './recognise.ts'
import { type Position, type Row, type RowSplitter, START } from './row.ts'
import { type SavedPosition, START_OVER } from './saved-position.ts'
import { splitJson } from './split-json.ts'
import { splitLines } from './split-lines.ts'

/** One request has at most so many rows and bytes. */
const BATCH_ROWS_MAX = 2_000
const BATCH_BYTES_MAX = 1024 * 1024

export interface Batch {
  /** At least one. */
  readonly rows: readonly ReadRow[]
  /** The place behind them, and the hash of the content before it. */
  readonly end: Position
  readonly sha256: string
}

export interface OpenFile {
  readonly format: Format
  readonly delimiter: string | undefined
  /** Of CSV, after the first batch. */
  header(): readonly string[] | undefined
  /** They end where the content ends or cannot be read on. */
  readonly batches: AsyncIterable<Batch>
  /** After the last batch: why the content could not be read to its end. */
  problem(): unknown
  readBytes(): number
  readonly fileBytes: number | undefined
}

export interface ReadFileOptions extends GivenFormat {
  readonly sources: Sources
  readonly source: string
  /** Where an interrupted import goes on. */
  readonly saved: SavedPosition | undefined
}

/** Opens a file and reads its rows in batches. It holds a few batches in memory, whatever the size of the file. Throws CliError. */
export async function readFile(file: string, options: ReadFileOptions): Promise<OpenFile> {
  const { saved } = options
  const content = await openContent(file)
  const { head, chunks } = await peek(content.chunks, isHeadEnough)
  const recognised = recognise(head, nameOf(file), options)
  const { format, delimiter } = saved === undefined ? recognised : { format: saved.format, delimiter: saved.delimiter ?? undefined }
  const start = saved?.position ?? { ...START, bytes: recognised.byteOrderMarkBytes }
  const prefix = new HashedPrefix()
  const behind = await prefix.skip(chunks, start.bytes)
  if (saved !== undefined && behind.sha256 !== saved.sha256) throw hasChanged(file, saved)
  const splitter = format === 'json' ? splitJson(start) : splitLines(start, delimiter?.charCodeAt(0))
  let problem: unknown
  let header: readonly string[] | undefined = saved?.header ?? undefined
  const readRow = (row: Row): ReadRow | undefined => {
    if (format === 'csv' && header === undefined) {
      header = headerOf(row, file, delimiter ?? ',')
      csv = csvOptions(header)
      return undefined
    }
    return readEvent(row, { ...options, csv })
  }
  const csvOptions = (names: readonly string[]) => ({
    delimiter: delimiter ?? ',',
    columns: names.length,
    places: placesOf(names, options.sources, nameOf(file)),
  })
  let csv: ReadOptions['csv'] = format === 'csv' && header !== undefined ? csvOptions(header) : undefined
  return {
    format,
    delimiter,
    header: () => header,
    batches: batchesOf({
      chunks: behind.chunks,
      splitter,
      prefix,
      readRow,
      onProblem: (error) => {
        problem = error
      },
    }),
    problem: () => problem,
    readBytes: content.readBytes,
    fileBytes: content.fileBytes,
  }
}

interface Reading {
  readonly chunks: AsyncIterable<Buffer>
  readonly splitter: RowSplitter
  readonly prefix: HashedPrefix
  /** Undefined for the header. */
  readRow(row: Row): ReadRow | undefined
  onProblem(error: unknown): void
}

async function* batchesOf({ chunks, splitter, prefix, readRow, onProblem }: Reading): AsyncIterable<Batch> {
  let rows: ReadRow[] = []
  let bytes = 0
  const close = (): Batch[] => {
    const end = rows.at(-1)?.row.end
    const batch = end === undefined ? [] : [{ rows, end, sha256: prefix.digestAt(end.bytes) }]
    rows = []
    bytes = 0
    return batch
  }
  try {
    for await (const split of splitChunks(chunks, splitter)) {
      for (const row of split) {
        const read = readRow(row)
        if (read === undefined) continue
        // Of a row that is rejected the bytes are kept, of others the text.
        const size = read.text?.length ?? row.bytes.length
        if (rows.length === BATCH_ROWS_MAX || bytes + size > BATCH_BYTES_MAX) yield* close()
        rows.push(read)
        bytes += size
      }
      if (split.length > 0) continue
      // What is no row may go on for gigabytes, so it is hashed without waiting for the next row.
      yield* close()
      prefix.digestAt(splitter.passedBytes())
    }
  } catch (error) {
    onProblem(error)
  }
  yield* close()
}

async function* splitChunks(chunks: AsyncIterable<Buffer>, splitter: RowSplitter): AsyncIterable<Row[]> {
  for await (const chunk of chunks) yield splitter.push(chunk)
  yield splitter.finish()
}

function headerOf(row: Row, file: string, delimiter: string): readonly string[] {
  if (row.problem !== undefined || !isUtf8(row.bytes))
    throw new CliError(`The header of ${nameOf(file)} cannot be read: it must be UTF-8, with its quotation marks closed.`)
  return cellsOf(row.bytes.toString('utf8'), delimiter)
}

function hasChanged(file: string, { position }: SavedPosition): CliError {
  return new CliError(
    `${nameOf(file)} has changed since its import was interrupted: what was read of it, up to line ${position.lines}, is no longer the same.`,
    undefined,
    {
      code: 'FILE_CHANGED',
      next: `Put the former file back and repeat the call to complete it. ${START_OVER}`,
    },
  )
}
