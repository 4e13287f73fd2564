import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { ExportFormat } from '../../contract/export-formats.ts'
import { focusVersionOf, type Manifest } from '../../contract/export-manifest.ts'
import { EXPORT_LINES, EXPORT_OWN_STATEMENT, GET_EXPORT_MANIFEST } from '../../contract/exports.ts'
import { counted } from '../../metering/counted.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { CliError, usageError } from '../errors.ts'
import { call, type Download, openDownload } from '../http-client.ts'
import { printResult } from '../output.ts'
import { startProgress, withProgress } from '../progress.ts'
import { countRow, noRows, openRowReader, type RowTotals, type TextFormat } from '../read-exported-rows.ts'
import { type KnownFile, readFileManifest } from '../read-file-manifest.ts'
import { readWorkbook } from '../read-workbook.ts'
import type { Session } from '../session.ts'
import { readManifest } from './export.ts'

export const verifyCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('verify <file>')
      .description('add up an exported file again; compare it with its manifest and with the service')
      .option('--offline', 'compare with the manifest only')
      .option('--manifest <file>', 'its manifest; default: the one beside it, of a delivery the one with the greatest revision')
      .action((file: string, own: VerifyOptions) => run((session) => verify(session, file, own))),
    ['meterline verify meterline-2026-01.csv', 'with its manifest and the service'],
    ['meterline verify meterline-2026-01.csv --offline', 'with its manifest only'],
    ['meterline verify finance/focus/month=2026-01/all-<sha256>.parquet', 'an object that a schedule delivered'],
  )
}

interface VerifyOptions {
  /** Compare with the manifest only. */
  readonly offline?: boolean
  /** Default: beside the file. */
  readonly manifest?: string
}

/**
 * Adds up a file again and compares it with its manifest and with the same export of the service. For an open month the service
 * may have more usage by now: that is reported and is no failure. Throws CliError with the differences.
 */
async function verify(session: Session, path: string, options: VerifyOptions): Promise<void> {
  const file = resolve(path)
  if (!existsSync(file)) throw new CliError(`There is no file ${file}.`, undefined, { code: 'FILE_NOT_FOUND' })
  const manifest = await readFileManifest(file, options.manifest)
  const read = await readWhole(session, file, manifest.format).catch((cause: unknown) => {
    throw new CliError(`${file} cannot be read (${cause instanceof Error ? cause.message : String(cause)}).`)
  })
  const differences = [
    ...compare('bytes', read.bytes, manifest.bytes),
    ...compare('sha256', read.sha256, manifest.sha256),
    ...compareTotals(read.counted, manifest),
    ...compareStatement(read, manifest),
  ]
  const service = options.offline === true ? undefined : await requestManifest(session, manifest)
  const verdict = service === undefined ? 'not asked' : manifest.status === 'closed' ? (isText(manifest.format) ? 'same bytes' : 'same totals') : 'live'
  if (service !== undefined && manifest.status === 'closed') differences.push(...(await compareWithService(session, service, { manifest, read })))
  if (differences.length > 0) throw new CliError(`${file} does not match:\n${differences.map((each) => `  ${each}`).join('\n')}`)
  printResult(session, { file, rows: manifest.rows, sha256: read.sha256, service: verdict, totals: manifest.totals }, () => [
    `${file}: ${counted(manifest.rows, 'row')} ${manifest.rows === 1 ? 'adds' : 'add'} up to the manifest, sha256 ${read.sha256}`,
    SAYS[verdict],
  ])
}

const SAYS = {
  'same bytes': 'The service returns the same bytes: the month is closed and will not change.',
  'same totals': 'The service returns the same rows and totals: the month is closed and will not change.',
  live: 'The month is open: this is usage as metered at the time of the export. The service may have more by now; export again when the month is closed.',
  'not asked': 'It was not compared with the service (--offline).',
} as const

interface ReadFile {
  readonly sha256: string
  readonly bytes: number
  readonly counted: RowTotals | { readonly unreadable: string }
  /** Of the rows in the canonical form of a statement, for a workbook. */
  readonly canonicalSha256?: string | undefined
}

/** Reads the file once, in chunks. */
async function readWhole(session: Session, file: string, format: ExportFormat): Promise<ReadFile> {
  const progress = startProgress(session, { label: `Reading ${basename(file)}`, unit: 'bytes', total: (await stat(file)).size })
  const hash = createHash('sha256')
  const reader = isText(format) ? openRowReader(format) : undefined
  let bytes = 0
  let unreadable: string | undefined
  for await (const chunk of withProgress(
    createReadStream(file).on('error', () => {}),
    progress,
  )) {
    hash.update(chunk)
    bytes += chunk.length
    unreadable ??= await problemOf(() => reader?.add(chunk))
  }
  let counted: RowTotals | undefined
  let canonicalSha256: string | undefined
  unreadable ??= await problemOf(async () => {
    if (format === 'xlsx') ({ counted, canonicalSha256 } = await readWorkbook(file))
    else counted = reader === undefined ? await countRowsOfParquet(file, format === 'parquet' ? 'lines' : 'charges') : reader.end()
  })
  return { sha256: hash.digest('hex'), bytes, counted: counted ?? { unreadable: unreadable ?? '' }, canonicalSha256 }
}

/** A file that does not match its format is a finding, not a fault of this program. */
async function problemOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}

async function countRowsOfParquet(file: string, rowsAre: 'lines' | 'charges'): Promise<RowTotals> {
  const { countParquet } = await import('../../service/count-parquet.ts')
  const counted = noRows()
  for (const { line, metric, value, rows } of await countParquet(file, rowsAre)) countRow(counted, { line, metric, value, rows })
  return counted
}

function compare(what: string, inFile: string | number, expected: string | number, by = 'the manifest'): string[] {
  return inFile === expected ? [] : [`${what}: ${inFile} in the file, ${expected} in ${by}`]
}

function compareTotals(counted: ReadFile['counted'], { rows, totals }: Pick<Manifest, 'rows' | 'totals'>, by?: string): string[] {
  if ('unreadable' in counted) return [`the file cannot be read: ${counted.unreadable}`]
  const names = new Map([...counted.totals.values(), ...totals].map(({ line, metric }) => [JSON.stringify([line, metric]), { line, metric }]))
  return [
    ...compare('rows', counted.rows, rows, by),
    ...[...names].flatMap(([key, { line, metric }]) => {
      const found = counted.totals.get(key)
      const said = totals.find((total) => total.line === line && total.metric === metric)
      const what = `${line} of ${metric}`
      return [
        ...compare(`rows of ${what}`, found?.rows ?? 'none', said?.rows ?? 'none', by),
        ...compare(what, found?.value ?? 'nothing', said?.value ?? 'nothing', by),
      ]
    }),
  ]
}

/** A workbook of a closed statement holds everything that the hash of the statement is computed from. */
function compareStatement({ canonicalSha256 }: ReadFile, { statement_sha256 }: Pick<KnownFile, 'statement_sha256'>, by?: string): string[] {
  return canonicalSha256 === undefined || typeof statement_sha256 !== 'string' ? [] : compare('sha256 of the statement', canonicalSha256, statement_sha256, by)
}

/** The manifest that the service would write now. */
async function requestManifest(session: Session, manifest: KnownFile): Promise<Manifest> {
  const connection = connect(session, ['admin', 'partner'])
  if (connection.credential.kind === 'admin') return call(connection, GET_EXPORT_MANIFEST, { query: sameExport(manifest) })
  const download = await downloadAgain(session, manifest)
  // A body that nobody reads would hold the process.
  for await (const _ of download.chunks);
  return readManifest(download)
}

/** The same export as the service makes it now: finance exports everything, a partner its own statements. */
function downloadAgain(session: Session, manifest: KnownFile): Promise<Download> {
  const connection = connect(session, ['admin', 'partner'])
  const { month, from, to, partner, ...query } = sameExport(manifest)
  if (connection.credential.kind === 'admin') return openDownload(connection, EXPORT_LINES, { query: sameExport(manifest) })
  if (month === undefined) throw usageError('A partner compares the statement of a month; this file has other days.', 'Verify it with --offline.')
  return openDownload(connection, EXPORT_OWN_STATEMENT, { params: { partnerId: requirePartnerId(connection), month }, query })
}

function sameExport(manifest: KnownFile) {
  const { month, from, to, partner_id, format, guard, bom } = manifest
  return {
    ...(month === null ? { from, to } : {}),
    month: month ?? undefined,
    format,
    focus: focusVersionOf(manifest),
    include: manifest.include,
    quantity: manifest.quantity,
    partner: partner_id ?? undefined,
    guard: guard ?? undefined,
    bom: bom === true ? ('true' as const) : undefined,
  }
}

/** A closed month must still be closed, and a text format must have the same bytes. A Parquet file or a workbook may be compressed differently. */
async function compareWithService(session: Session, service: Manifest, { manifest, read }: { manifest: KnownFile; read: ReadFile }): Promise<string[]> {
  const by = 'the service'
  const found = [
    ...compare('status', manifest.status, service.status, by),
    ...compareTotals(read.counted, service, by),
    ...(manifest.statement_sha256 === undefined
      ? compareStatement(read, service, by)
      : compare('sha256 of the statement', manifest.statement_sha256 ?? 'none', service.statement_sha256 ?? 'none', by)),
  ]
  if (service.status === 'open') found.push('the month was closed when this was exported and is open now: was a backup restored? Keep this file.')
  if (found.length > 0 || !isText(manifest.format)) return found
  const hash = createHash('sha256')
  const { chunks } = await downloadAgain(session, manifest)
  for await (const chunk of chunks) hash.update(chunk)
  return compare('sha256', read.sha256, hash.digest('hex'), 'the same export now')
}

function isText(format: ExportFormat): format is TextFormat {
  return format !== 'parquet' && format !== 'focus-parquet' && format !== 'xlsx'
}
