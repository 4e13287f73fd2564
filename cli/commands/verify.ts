import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ExportFormat } from '../../contract/export-formats.ts'
import { FileManifest, Manifest } from '../../contract/export-manifest.ts'
import type { CommandRegistration } from '../command.ts'
import { call, openDownload, readServiceAddress } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'
import { countRow, noRows, openRowReader, type RowTotals } from '../read-exported-rows.ts'
import { manifestPathOf, queryOf } from './export.ts'

export const verifyCommand: CommandRegistration = (program, run) => {
  program
    .command('verify <file>')
    .description('add up an exported file again; compare it with its manifest and with the service')
    .option('--offline', 'compare with the manifest only')
    .action((file: string, own: VerifyOptions) => run((environment, options) => verify(environment, file, { ...own, ...options })))
}

interface VerifyOptions extends OutputOptions {
  /** Compare with the manifest alone. */
  readonly offline?: boolean
}

/**
 * Adds a file up again, and compares it with its manifest and with what the service says of the same export. Of an open month
 * the service may rightly say something else by now: that is told and is no failure. Throws CliError naming what differs.
 */
async function verify(environment: NodeJS.ProcessEnv, path: string, options: VerifyOptions): Promise<void> {
  const file = resolve(path)
  const manifest = await readFileManifest(file)
  const read = await readWhole(file, manifest.format).catch((cause: unknown) => {
    throw new CliError(`${file} cannot be read (${cause instanceof Error ? cause.message : String(cause)}).`)
  })
  const differences = [...tell('bytes', read.bytes, manifest.bytes), ...tell('sha256', read.sha256, manifest.sha256), ...tellCounted(read.counted, manifest)]
  const service = options.offline === true ? undefined : await askService(environment, manifest)
  const verdict = service === undefined ? 'not asked' : manifest.status === 'closed' ? (isText(manifest.format) ? 'same bytes' : 'same totals') : 'live'
  if (service !== undefined && manifest.status === 'closed') differences.push(...(await tellService(environment, service, { manifest, read })))
  if (differences.length > 0) throw new CliError(`${file} is not what it should be:\n${differences.map((each) => `  ${each}`).join('\n')}`)
  printResult(options, { file, rows: manifest.rows, sha256: read.sha256, service: verdict, totals: manifest.totals }, () => [
    `${file}: ${manifest.rows} rows add up to the manifest, sha256 ${read.sha256}`,
    SAYS[verdict],
  ])
}

const SAYS = {
  'same bytes': 'The service gives the same bytes: it is closed, and stays as it is.',
  'same totals': 'The service says the same rows and totals: it is closed, and stays as it is.',
  live: 'It is live: usage as metered when it was exported. The service may say more by now; export again when the month is closed.',
  'not asked': 'The service was not asked (--offline).',
} as const

async function readFileManifest(file: string): Promise<FileManifest> {
  const path = manifestPathOf(file)
  const text = await readFile(path, 'utf8').catch(() => {
    throw new CliError(`${path} cannot be read. An export without its manifest was cut short, or the manifest was not copied along; export again.`)
  })
  try {
    return FileManifest.parse(JSON.parse(text))
  } catch {
    throw new CliError(`${path} is no manifest of an export.`)
  }
}

interface ReadFile {
  readonly sha256: string
  readonly bytes: number
  readonly counted: RowTotals | { readonly unreadable: string }
}

/** Once through the file, whatever its size. */
async function readWhole(file: string, format: ExportFormat): Promise<ReadFile> {
  const hash = createHash('sha256')
  const isParquet = format === 'parquet' || format === 'focus-parquet'
  const reader = isParquet ? undefined : openRowReader(format)
  let bytes = 0
  let unreadable: string | undefined
  for await (const piece of createReadStream(file).on('error', () => {})) {
    hash.update(piece)
    bytes += piece.length
    unreadable ??= await problemOf(() => reader?.add(piece))
  }
  let counted: RowTotals | undefined
  unreadable ??= await problemOf(async () => {
    counted = reader === undefined ? await countRowsOfParquet(file, format === 'parquet' ? 'lines' : 'charges') : reader.end()
  })
  return { sha256: hash.digest('hex'), bytes, counted: counted ?? { unreadable: unreadable ?? '' } }
}

/** A file that is not of its format is a finding, not a fault of this program. */
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

function tell(what: string, found: string | number, said: string | number, by = 'the manifest'): string[] {
  return found === said ? [] : [`${what}: ${found} in the file, ${said} in ${by}`]
}

function tellCounted(counted: ReadFile['counted'], { rows, totals }: Manifest, by?: string): string[] {
  if ('unreadable' in counted) return [`it cannot be read: ${counted.unreadable}`]
  const names = new Map([...counted.totals.values(), ...totals].map(({ line, metric }) => [JSON.stringify([line, metric]), { line, metric }]))
  return [
    ...tell('rows', counted.rows, rows, by),
    ...[...names].flatMap(([key, { line, metric }]) => {
      const found = counted.totals.get(key)
      const said = totals.find((total) => total.line === line && total.metric === metric)
      const what = `${line} of ${metric}`
      return [
        ...tell(`rows of ${what}`, found?.rows ?? 'none', said?.rows ?? 'none', by),
        ...tell(what, found?.value ?? 'nothing', said?.value ?? 'nothing', by),
      ]
    }),
  ]
}

/** The manifest that the service would write now. */
async function askService(environment: NodeJS.ProcessEnv, manifest: FileManifest): Promise<Manifest> {
  return Manifest.parse(await call(readServiceAddress(environment), 'GET', `/admin/v1/exports/manifest?${sameExport(manifest)}`))
}

function sameExport({ month, from, to, partner_id, format }: FileManifest): string {
  return String(queryOf({ ...(month === null ? { from, to } : { month }), format, ...(partner_id === null ? {} : { partner: partner_id }) }))
}

/** What was closed must be closed still, and of a text the very bytes come again. A Parquet file may be laid out otherwise. */
async function tellService(
  environment: NodeJS.ProcessEnv,
  service: Manifest,
  { manifest, read }: { manifest: FileManifest; read: ReadFile },
): Promise<string[]> {
  const by = 'the service'
  const told = [
    ...tell('status', manifest.status, service.status, by),
    ...tellCounted(read.counted, service, by),
    ...tell('sha256 of the statement', manifest.statement_sha256 ?? 'none', service.statement_sha256 ?? 'none', by),
  ]
  if (service.status === 'open') told.push('the month was closed when this was exported and is open now: was a backup restored? Keep this file.')
  if (told.length > 0 || !isText(manifest.format)) return told
  const hash = createHash('sha256')
  const { pieces } = await openDownload(readServiceAddress(environment), `/admin/v1/exports?${sameExport(manifest)}`)
  for await (const piece of pieces) hash.update(piece)
  return tell('sha256', read.sha256, hash.digest('hex'), 'the same export now')
}

function isText(format: ExportFormat): boolean {
  return format !== 'parquet' && format !== 'focus-parquet'
}
