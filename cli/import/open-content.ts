import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CliError, EXIT } from '../errors.ts'
import { peek } from './peek.ts'
import { unpackZstd, ZSTD_MAGIC } from './unpack-zstd.ts'

export const STDIN = '-'

/** The content of a file, unpacked. */
export interface Content {
  /** Throws CliError if it cannot be read or unpacked to its end. */
  readonly chunks: AsyncIterable<Buffer>
  /** How much of the file itself has been read. */
  readBytes(): number
  /** The size of the file itself; undefined for stdin. */
  readonly fileBytes: number | undefined
}

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b])
const MAGIC_BYTES = 4

/** Opens a file, or stdin for "-", and unpacks gzip and zstd, which it recognises by their first bytes. Throws CliError. */
export async function openContent(file: string): Promise<Content> {
  const fileBytes = file === STDIN ? undefined : await sizeOf(file)
  let readBytes = 0
  const source = file === STDIN ? process.stdin : createReadStream(file)
  const counted = async function* () {
    for await (const chunk of source) {
      readBytes += (chunk as Buffer).length
      yield chunk as Buffer
    }
  }
  const { head, chunks } = await peek(counted(), (bytes) => bytes.length >= MAGIC_BYTES)
  return { chunks: explained(file, unpacked(head, chunks)), readBytes: () => readBytes, fileBytes }
}

function unpacked(head: Buffer, chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  if (head.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC)) {
    const gunzip = createGunzip()
    // An error is thrown to the reader of gunzip.
    pipeline(Readable.from(chunks), gunzip, () => {})
    return gunzip
  }
  return head.subarray(0, ZSTD_MAGIC.length).equals(ZSTD_MAGIC) ? unpackZstd(chunks) : chunks
}

async function* explained(file: string, chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  try {
    yield* chunks
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError(`${nameOf(file)} cannot be read to its end (${cause instanceof Error ? cause.message : String(cause)}).`)
  }
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) throw new CliError(`There is no file ${file}.`, EXIT.error, { next: 'To read from a pipe, write "-" as the file.' })
  if (found.isDirectory()) throw new CliError(`${file} is a directory.`, EXIT.error, { next: `Name its files, for example: meterline import ${file}/*` })
  return found.size
}

export function nameOf(file: string): string {
  return file === STDIN ? 'stdin' : file
}
