import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { requireComplete } from '../../contract/complete-export.ts'
import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS, FOCUS_VERSION_DEFAULT, FOCUS_VERSIONS } from '../../contract/export-formats.ts'
import { type FileManifest, Manifest } from '../../contract/export-manifest.ts'
import { EXPORT_LINES, EXPORT_OWN_STATEMENT } from '../../contract/exports.ts'
import type { RequestInput } from '../../contract/operation.ts'
import { counted } from '../../metering/counted.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { CliError, usageError } from '../errors.ts'
import { type Download, openDownload } from '../http-client.ts'
import { printResult } from '../output.ts'
import { startProgress, withProgress } from '../progress.ts'
import type { Session } from '../session.ts'

export const exportCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('export')
      .description('write statements or usage to a file, with a manifest beside it')
      .option('--month <month>', 'the statements of a month, YYYY-MM')
      .option('--from <day>', 'usage as metered so far instead: first day, YYYY-MM-DD')
      .option('--to <day>', 'last day, inclusive')
      .option('--partner <id>', 'one partner only')
      .option('--format <format>', EXPORT_FORMAT_NAMES.join(', '), 'csv')
      .option('--focus <version>', `FOCUS only: the version of the specification, ${FOCUS_VERSIONS.join(' or ')}; default ${FOCUS_VERSION_DEFAULT}`)
      .option('--include <what>', 'byte_days: add the byte-days of peak metrics and the days with samples; not for FOCUS')
      .option('--quantity <quantity>', 'FOCUS only: what is charged of a peak metric, peak or byte_days; default peak')
      .option('--guard <on|off>', 'CSV only: whether texts that a spreadsheet would run as a formula get an apostrophe; default on')
      .option('--bom', 'CSV only: begin with a byte order mark, for spreadsheets')
      .option('--out <file>', 'default: the file name that the service gives, in the working directory')
      .action((own: ExportOptions) => run((session) => exportFile(session, own))),
    ['meterline export --month 2026-01', 'the statements of all partners, or of the partner that you are, as CSV'],
    ['meterline export --month 2026-01 --partner p_1 --format xlsx --out january.xlsx', 'one partner, as a workbook'],
    ['meterline export --month 2026-01 --format focus-parquet --focus 1.2', 'for a cost tool that reads FOCUS 1.2'],
    ['meterline export --month 2026-01 --format focus-csv --quantity byte_days', 'peaks charged by their byte-days instead'],
    ['meterline export --from 2026-01-01 --to 2026-01-07 --format ndjson', 'usage as metered so far'],
  )
}

interface ExportOptions {
  readonly month?: string
  readonly from?: string
  readonly to?: string
  readonly partner?: string
  readonly format?: string
  readonly focus?: string
  readonly include?: string
  readonly quantity?: string
  readonly guard?: string
  readonly bom?: boolean
  /** Default: the file name that the service gives, in the working directory. */
  readonly out?: string
}

export function manifestPathOf(file: string): string {
  return `${file}.manifest.json`
}

/**
 * Writes an export and its manifest. The order guarantees that an incomplete file is never accepted as complete:
 * 1. Remove an older manifest, so that it cannot belong to the new file.
 * 2. Write the file under a temporary name, to its last byte, and sync it. A body that breaks off is an error.
 * 3. Rename it. A crash up to here leaves no manifest, and "meterline verify" accepts no file without one.
 * 4. Write the manifest in the same way.
 * Throws CliError.
 */
async function exportFile(session: Session, options: ExportOptions): Promise<void> {
  const download = await requestExport(session, options)
  const manifest = readManifest(download)
  const file = resolve(options.out ?? nameIn(download.headers.get('content-disposition')))
  await rm(manifestPathOf(file), { force: true })
  const { container } = EXPORT_FORMATS[manifest.format]
  const chunks = withProgress(download.chunks, startProgress(session, { label: `Writing ${basename(file)}`, unit: 'bytes' }))
  const written = await writeComplete(file, requireComplete(chunks, { container, rows: manifest.rows }))
  const manifestOfFile: FileManifest = { ...manifest, file: basename(file), ...written }
  await writeComplete(manifestPathOf(file), [Buffer.from(`${JSON.stringify(manifestOfFile, null, 2)}\n`)])
  printResult(session, { path: file, ...manifestOfFile }, () => [
    `${file}: ${counted(manifestOfFile.rows, 'row')}, ${counted(manifestOfFile.bytes, 'byte')}, ${manifestOfFile.status === 'closed' ? 'closed' : 'live'}, complete up to ${manifestOfFile.as_of ?? 'no time yet'}`,
    `sha256 ${manifestOfFile.sha256}`,
  ])
}

/** Finance exports everything, a partner its own statements. A wrong format or month is reported by the service itself. */
function requestExport(session: Session, { month, from, to, partner, format, focus, include, quantity, guard, bom }: ExportOptions): Promise<Download> {
  const connection = connect(session, ['admin', 'partner'], { partner })
  const shape = { format, focus, include, quantity, guard, bom: bom === true ? 'true' : undefined }
  if (connection.credential.kind === 'admin')
    return openDownload(connection, EXPORT_LINES, { query: { month, from, to, partner, ...shape } as RequestInput<typeof EXPORT_LINES>['query'] })
  if (month === undefined)
    throw usageError('A partner exports a statement.', 'Give its month: --month YYYY-MM. Usage of other days: "meterline usage --format csv".')
  const params = { partnerId: requirePartnerId(connection), month }
  return openDownload(connection, EXPORT_OWN_STATEMENT, { params, query: shape as RequestInput<typeof EXPORT_OWN_STATEMENT>['query'] })
}

export function readManifest({ headers }: Download): Manifest {
  const header = headers.get('x-meterline-manifest')
  if (header === null) throw new CliError('The server is not Meterline, or a proxy removed a header.')
  return Manifest.parse(JSON.parse(header))
}

function nameIn(disposition: string | null): string {
  const name = /filename="([\w.-]+)"/.exec(disposition ?? '')?.[1]
  if (name === undefined) throw new CliError('The service gave no file name. Choose one with --out.')
  return name
}

/** A file of that name is always complete: it is renamed after its last byte is on the disk. */
async function writeComplete(file: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<{ bytes: number; sha256: string }> {
  const part = `${file}.part`
  const hash = createHash('sha256')
  let bytes = 0
  try {
    const handle = await open(part, 'w')
    try {
      for await (const chunk of chunks) {
        hash.update(chunk)
        bytes += chunk.length
        await handle.writeFile(chunk)
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

/** A new name is durable only when its directory is synced. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
