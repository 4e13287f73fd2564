import { once } from 'node:events'
import { basename } from 'node:path'
import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { CliError } from '../errors.ts'
import { printNote } from '../output.ts'
import { startProgress } from '../progress.ts'
import type { Session } from '../session.ts'
import { nameOf } from './open-content.ts'
import type { OpenFile } from './read-file.ts'
import type { RejectedRow } from './rejects-file.ts'
import type { Counts } from './saved-position.ts'

/** Of the rejected rows of a file so many are shown; --json and --rejects give all. */
const SHOWN_REJECTED_MAX = 20

export interface FileResult {
  readonly file: string
  readonly counts: Counts
  /** The first ones of this run. */
  readonly shown: readonly RejectedRow[]
  /** Of the part before an interruption; undefined if this run began with the first row. */
  readonly before: Counts | undefined
}

export interface FileReport {
  onBatch(counts: Counts, rejected: readonly RejectedRow[]): Promise<void>
  /** Removes the bar. Must be called however the import ends. */
  stop(): void
  result(counts: Counts): FileResult
}

/** Shows how the import of a file goes on: a bar on a terminal, lines of JSON on stdout for programs. */
export function startReport(session: Session, file: string, { open, resumed }: { open: OpenFile; resumed: Counts | undefined }): FileReport {
  const shown: RejectedRow[] = []
  let hasNotedIds = (resumed?.derived_ids ?? 0) > 0
  if (resumed !== undefined) printNote(session, `${nameOf(file)}: going on after ${counted(resumed.rows, 'row')}.`)
  const total = open.fileBytes === 0 ? undefined : open.fileBytes
  const progress = startProgress(session, { label: `Importing ${basename(file)}`, unit: 'bytes', total })
  return {
    onBatch: async (counts, rejected) => {
      progress.update(open.readBytes())
      if (!hasNotedIds && counts.derived_ids > 0) {
        hasNotedIds = true
        printNote(
          session,
          `${nameOf(file)}: rows without an event_id get one made from their fields and their row number, so a repeated import counts nothing twice.`,
        )
      }
      shown.push(...rejected.slice(0, SHOWN_REJECTED_MAX - shown.length))
      if (session.json !== true) return
      for (const row of rejected) await printLine({ type: 'rejected', ...row })
      await printLine({ type: 'progress', file: nameOf(file), bytes_read: open.readBytes(), bytes: open.fileBytes ?? null, ...counts })
    },
    stop: () => progress.stop(),
    result: (counts) => ({ file, counts, shown, before: resumed }),
  }
}

export interface Ending {
  readonly isDryRun: boolean
  readonly rejects: string | undefined
}

/** Prints what became of the rows. Throws CliError if one was rejected. */
export async function reportResults(session: Session, results: readonly FileResult[], { isDryRun, rejects }: Ending): Promise<void> {
  const rows = results.reduce((sum, { counts }) => sum + counts.rows, 0)
  const rejected = results.reduce((sum, { counts }) => sum + counts.rejected, 0)
  if (session.json === true) {
    const files = results.map(({ file, counts }) => ({ file: nameOf(file), ...counts }))
    await printLine({ type: 'summary', dry_run: isDryRun, files, rows, rejected })
  } else for (const result of results) process.stdout.write(`${linesOf(result, { isDryRun, rejects }).join('\n')}\n`)
  for (const result of results) for (const note of notesOf(result)) printNote(session, `${nameOf(result.file)}: ${note}`)
  if (rejected === 0) return
  const next =
    rejects === undefined
      ? 'With --rejects <file> they are written to a file, to correct and import them.'
      : `Correct them in ${rejects}, then: meterline import ${rejects}`
  throw new CliError(`${grouped(rejected)} of ${counted(rows, 'row')} ${isDryRun ? 'would be rejected' : 'rejected'}.`, undefined, {
    code: 'ROWS_REJECTED',
    next,
  })
}

/** What the counts do not say by themselves. */
function notesOf({ counts, before }: FileResult): string[] {
  const { rows, derived_ids } = counts
  if (rows === 0) return ['warning: there is no row in it, so nothing was sent.']
  const duplicates = counts.duplicates ?? 0
  if (before !== undefined)
    return duplicates > (before.duplicates ?? 0)
      ? ['rows whose answer had not arrived at the interruption were sent again. Those that had been counted are among the duplicates, and count once.']
      : []
  if (derived_ids === 0 || duplicates === 0) return []
  return [
    `${counted(duplicates, 'event')} had been counted before. If this is not the same file again, and rows without an id of another file are other usage, import it with a --source of its own.`,
  ]
}

function linesOf({ file, counts, shown, before }: FileResult, { isDryRun, rejects }: Ending): string[] {
  const { rows, accepted, duplicates, rejected } = counts
  const detected = duplicates === null ? 'duplicates are detected later' : counted(duplicates, 'duplicate')
  const outcome = isDryRun ? `${grouped(accepted)} valid` : `${grouped(accepted)} accepted, ${detected}`
  const earlier = before?.rejected ?? 0
  const more = rejected - earlier - shown.length
  const where = rejects === undefined ? '--restart shows them, and counts nothing twice' : `they are in ${rejects}`
  return [
    `${nameOf(file)}: ${counted(rows, 'row')}: ${outcome}, ${grouped(rejected)} rejected`,
    ...shown.map(({ line, event_id, reason, message }) => `  line ${line}${event_id === null ? '' : ` (${event_id})`}: ${reason}: ${message}`),
    ...(more > 0 ? [`  and ${grouped(more)} more`] : []),
    ...(earlier > 0 ? [`  ${grouped(earlier)} before the interruption: ${where}`] : []),
  ]
}

/** Waits while the reader of stdout is slower, so that lines do not pile up in memory. */
async function printLine(line: unknown): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(line)}\n`)) await once(process.stdout, 'drain')
}
