import { resolve } from 'node:path'
import { postOverHttp } from '../../emitter/post-over-http.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { type Connection, connect } from '../connection/connect.ts'
import { verifyIdentity } from '../connection/identity.ts'
import { usageError } from '../errors.ts'
import { readSources } from '../import/columns.ts'
import { validateOnly } from '../import/dry-run.ts'
import { GIVE_UP_AFTER_MS, type ImportContext, importFile } from '../import/import-file.ts'
import { STDIN } from '../import/open-content.ts'
import { type ReadFileOptions, readFile } from '../import/read-file.ts'
import { FORMATS, requireFormat } from '../import/recognise.ts'
import { openRejects } from '../import/rejects-file.ts'
import { type FileResult, reportResults, startReport } from '../import/report.ts'
import { readPosition, removePosition, requireSameCall, type SavedPosition } from '../import/saved-position.ts'
import { listenForInterruption } from '../interruption.ts'
import { printNote } from '../output.ts'
import { retryNote } from '../retry-note.ts'
import type { Session } from '../session.ts'

const collect = (value: string, before: readonly string[] = []) => [...before, value]

export const importCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('import <file...>')
      .description('send the usage events of NDJSON, JSON or CSV files, also of .gz and .zst; "-" is stdin')
      .option('--map <pairs>', 'columns or JSON members that are named differently: field=column,field=column', collect)
      .option('--set <pairs>', 'one value for all rows: field=value,field=value', collect)
      .option('--format <format>', `${FORMATS.join(', ')}; default: by the content and the name`)
      .option('--delimiter <character>', 'CSV: the character between cells, or "tab"; default: by the header')
      .option('--source <name>', 'part of the ids that rows without one get: with another source, equal rows of another file are other events')
      .option('--rejects <file>', 'write rejected rows to this file, to correct and import them')
      .option('--dry-run', 'validate without sending')
      .option('--restart', 'begin with the first row where an interrupted import would go on')
      .action((files: string[], own: ImportOptions) => run((session) => importFiles(session, files, own))),
    ['meterline import usage.ndjson', 'every line is an event'],
    ['meterline import usage.csv --map project_id=Kunde,value=Menge,timestamp=Datum --set metric=ai_tokens', 'a header of your own'],
    ['meterline import january.csv.gz february.csv.gz --rejects rejected.ndjson', 'one after the other; keep what is rejected'],
    ['meterline import usage.csv --dry-run', 'validate only'],
    ['meterline import - --json', 'from a pipe, for programs'],
  )
}

interface ImportOptions {
  readonly map?: readonly string[]
  readonly set?: readonly string[]
  readonly format?: string
  readonly delimiter?: string
  readonly source?: string
  readonly rejects?: string
  readonly dryRun?: boolean
  readonly restart?: boolean
}

/**
 * Imports files one after the other. The positions are removed when the last file is done, so a repeated call skips what is done. Throws
 * CliError.
 */
async function importFiles(session: Session, files: readonly string[], own: ImportOptions): Promise<void> {
  const { source = '', dryRun: isDryRun = false } = own
  requireFormat(own)
  requireDifferentFiles(files, own.rejects)
  const sources = readSources(own)
  const connection = isDryRun ? undefined : connect(session, ['emitter'])
  const call = { url: connection?.url ?? '', map: sources.columns, set: sources.constants, source, rejects: own.rejects ?? null }
  const positions = isDryRun ? [] : await readPositions(files, { call, isRestart: own.restart === true })
  if (connection !== undefined) await verifyIdentity(connection)
  const rejects = own.rejects === undefined ? undefined : await openRejects(own.rejects, rejectsLength(positions, own.restart === true))
  const interruption = listenForInterruption()
  const context = { post: postOf(connection), call, rejects, savesPosition: !isDryRun, signal: interruption.signal, ...retryNotes(session) }
  const results: FileResult[] = []
  try {
    for (const [index, file] of files.entries()) {
      const saved = own.restart === true ? undefined : positions[index]
      results.push(await importOne(session, file, { ...own, sources, source, saved }, context))
    }
  } finally {
    interruption.stop()
    await rejects?.close()
  }
  if (!isDryRun) for (const file of files) await removePosition(file)
  await reportResults(session, results, { isDryRun, rejects: own.rejects })
}

type Context = Omit<ImportContext, 'onBatch'>

async function importOne(session: Session, file: string, options: ReadFileOptions, context: Context): Promise<FileResult> {
  const { saved } = options
  const open = await readFile(file, options)
  const report = startReport(session, file, { open, resumed: saved?.counts })
  // stdin may be quiet for long.
  const stopReading = () => void (file === STDIN && process.stdin.destroy())
  context.signal.addEventListener('abort', stopReading)
  try {
    return report.result(await importFile(file, open, saved, { ...context, onBatch: report.onBatch }))
  } finally {
    context.signal.removeEventListener('abort', stopReading)
    report.stop()
  }
}

function postOf(connection: Connection | undefined) {
  return connection === undefined ? validateOnly() : postOverHttp({ url: connection.url, key: connection.credential.secret })
}

function requireDifferentFiles(files: readonly string[], rejects: string | undefined): void {
  const paths = files.map((each) => resolve(each))
  if (new Set(paths).size < paths.length) throw usageError('A file is named twice.')
  if (rejects !== undefined && paths.includes(resolve(rejects))) throw usageError('--rejects names a file that is imported.', 'Choose another name.')
}

interface Wanted {
  readonly call: SavedPosition['call']
  readonly isRestart: boolean
}

/** Where interrupted imports of these files were. After --restart it matters only whether there were any. */
async function readPositions(files: readonly string[], { call, isRestart }: Wanted): Promise<(SavedPosition | undefined)[]> {
  const positions: (SavedPosition | undefined)[] = []
  for (const file of files) {
    const saved = await readPosition(file).catch((error: unknown) => {
      if (isRestart) return undefined
      throw error
    })
    if (saved !== undefined && !isRestart) requireSameCall(file, saved, call)
    positions.push(saved?.call.rejects === call.rejects ? saved : undefined)
  }
  return positions
}

/** How much of the file of rejected rows stays; undefined if no interrupted import wrote it. */
function rejectsLength(positions: readonly (SavedPosition | undefined)[], isRestart: boolean): number | undefined {
  const lengths = positions.flatMap((each) => (each === undefined ? [] : [each.rejects_bytes]))
  if (lengths.length === 0) return undefined
  return isRestart ? 0 : Math.max(...lengths)
}

/** Says once that the service does not answer, not for each request and each attempt. */
function retryNotes(session: Session): Pick<Context, 'onRetry'> {
  let notedMs = Number.NEGATIVE_INFINITY
  return {
    onRetry: (problem) => {
      if (performance.now() - notedMs < NOTE_EVERY_MS) return
      notedMs = performance.now()
      printNote(session, retryNote(problem, GIVE_UP_AFTER_MS))
    },
  }
}

const NOTE_EVERY_MS = 60_000
