import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { requireComplete } from '../../contract/complete-export.ts'
import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS } from '../../contract/export-formats.ts'
import { type FileManifest, Manifest } from '../../contract/export-manifest.ts'
import type { CommandRegistration } from '../command.ts'
import { openDownload, readServiceAddress } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'

export const exportCommand: CommandRegistration = (program, run) => {
  program
    .command('export')
    .description('write statements or usage to a file, with a manifest beside it')
    .option('--month <month>', 'the statements of a month, YYYY-MM')
    .option('--from <day>', 'usage as metered so far instead: first day, YYYY-MM-DD')
    .option('--to <day>', 'last day, inclusive')
    .option('--partner <id>', 'one partner only')
    .option('--format <format>', EXPORT_FORMAT_NAMES.join(', '), 'csv')
    .option('--out <file>', 'default: the file name that the service gives, in the working directory')
    .action((own: ExportOptions) => run((environment, options) => exportFile(environment, { ...own, ...options })))
}

interface ExportOptions extends OutputOptions {
  readonly month?: string
  readonly from?: string
  readonly to?: string
  readonly partner?: string
  readonly format?: string
  /** Default: as the service names it, in the working directory. */
  readonly out?: string
}

export function manifestPathOf(file: string): string {
  return `${file}.manifest.json`
}

/**
 * Writes an export and its manifest. The order is the guarantee that no half file passes for a whole one:
 * 1. An older manifest goes away, so that it cannot stand beside what comes.
 * 2. The file, under another name, to its last byte and onto the disk. A body that breaks off is an error.
 * 3. Its name. A crash up to here leaves no manifest, and without one "meterline verify" passes nothing.
 * 4. The manifest, in the same way.
 * Throws CliError.
 */
async function exportFile(environment: NodeJS.ProcessEnv, options: ExportOptions): Promise<void> {
  const address = readServiceAddress(environment)
  const download = await openDownload(address, `/admin/v1/exports?${queryOf(options)}`)
  const manifest = readManifest(download.headers.get('x-meterline-manifest'))
  const file = resolve(options.out ?? nameIn(download.headers.get('content-disposition')))
  await rm(manifestPathOf(file), { force: true })
  const { container } = EXPORT_FORMATS[manifest.format]
  const written = await writeWhole(file, requireComplete(download.pieces, { container, rows: manifest.rows }))
  const whole: FileManifest = { ...manifest, file: basename(file), ...written }
  await writeWhole(manifestPathOf(file), [Buffer.from(`${JSON.stringify(whole, null, 2)}\n`)])
  printResult(options, { path: file, ...whole }, () => [
    `${file}: ${whole.rows} rows, ${whole.bytes} bytes, ${whole.status === 'closed' ? 'closed' : 'live'}, complete up to ${whole.as_of ?? 'no time yet'}`,
    `sha256 ${whole.sha256}`,
  ])
}

/** What the service is asked for. */
export function queryOf({ month, from, to, partner, format }: Omit<ExportOptions, 'out' | 'json'>): string {
  const asked = Object.entries({ month, from, to, partner, format }).filter((each): each is [string, string] => each[1] !== undefined)
  return new URLSearchParams(asked).toString()
}

function readManifest(header: string | null): Manifest {
  if (header === null) throw new CliError('What answers is not Meterline, or something between cut a header. Set METERLINE_URL.')
  return Manifest.parse(JSON.parse(header))
}

function nameIn(disposition: string | null): string {
  const name = /filename="([\w.-]+)"/.exec(disposition ?? '')?.[1]
  if (name === undefined) throw new CliError('The service names no file. Say where to with --out.')
  return name
}

/** The file of that name is always whole: it gets its name after its last byte is on the disk. */
async function writeWhole(file: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<{ bytes: number; sha256: string }> {
  const part = `${file}.part`
  const hash = createHash('sha256')
  let bytes = 0
  try {
    const handle = await open(part, 'w')
    try {
      for await (const piece of pieces) {
        hash.update(piece)
        bytes += piece.length
        await handle.writeFile(piece)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(part, file)
    await syncDirectory(dirname(file))
  } catch (cause) {
    await rm(part, { force: true })
    throw cause instanceof CliError ? cause : new CliError(`${file} could not be written (${cause instanceof Error ? cause.message : String(cause)}).`)
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** A name is on the disk only with its directory. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
