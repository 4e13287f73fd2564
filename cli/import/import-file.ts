import { type Delivery, deliverTexts, type RetryProblem } from '../../emitter/deliver.ts'
import type { Post } from '../../emitter/post.ts'
import { counted } from '../../metering/counted.ts'
import { deliveryError } from '../delivery-error.ts'
import { CliError, EXIT } from '../errors.ts'
import { nameOf, STDIN } from './open-content.ts'
import type { ReadRow } from './read-event.ts'
import type { Batch, OpenFile } from './read-file.ts'
import type { RejectedRow, RejectsFile } from './rejects-file.ts'
import { type Counts, NO_COUNTS, type SavedPosition, writePosition } from './saved-position.ts'

const REQUESTS_IN_FLIGHT_MAX = 4
/** How long a service that does not answer is waited for. */
export const GIVE_UP_AFTER_MS = 15 * 60_000

export interface ImportContext {
  readonly post: Post
  /** Not in a dry run. */
  readonly savesPosition: boolean
  readonly call: SavedPosition['call']
  readonly rejects: RejectsFile | undefined
  readonly signal: AbortSignal
  readonly onRetry: (problem: RetryProblem) => void
  /** Called after each batch that has outcomes. */
  readonly onBatch: (counts: Counts, rejected: readonly RejectedRow[]) => Promise<void>
}

/**
 * Sends the rows of a file, several requests at a time, and takes their outcomes in the order of the rows. For each batch:
 * 1. the service has acknowledged it; 2. its rejected rows are written; 3. the position is saved. After a crash before 3 the batch is sent
 * again with the same ids, so nothing counts twice, and its rejected rows are written again at the same place. Throws CliError.
 */
export async function importFile(file: string, open: OpenFile, saved: SavedPosition | undefined, context: ImportContext): Promise<Counts> {
  const inFlight: { batch: Batch; delivery: Promise<Delivery> }[] = []
  const stop = new AbortController()
  const signal = AbortSignal.any([context.signal, stop.signal])
  let counts = saved?.counts ?? NO_COUNTS
  const takeFirst = async () => {
    const first = inFlight.shift()
    if (first === undefined) return
    const { batch, delivery } = first
    const outcome = await delivery
    if (outcome.failure !== undefined) throw deliveryError(outcome.failure)
    counts = await take(file, { batch, delivery: outcome, counts, open, context })
  }
  try {
    for await (const batch of open.batches) {
      inFlight.push({ batch, delivery: send(batch.rows, { ...context, signal }) })
      if (inFlight.length === REQUESTS_IN_FLIGHT_MAX) await takeFirst()
    }
    while (inFlight.length > 0) await takeFirst()
  } catch (error) {
    // No later batch is taken: the position must not pass one without outcomes, or its rows would never be sent.
    stop.abort()
    await Promise.all(inFlight.map(({ delivery }) => delivery))
    throw context.signal.aborted ? interrupted(file, counts) : halfDone(file, counts, error)
  }
  const problem = open.problem()
  if (problem !== undefined) throw context.signal.aborted ? interrupted(file, counts) : halfDone(file, counts, problem)
  return counts
}

function send(rows: readonly ReadRow[], { post, signal, onRetry }: ImportContext): Promise<Delivery> {
  const texts = rows.flatMap(({ text }) => (text === undefined ? [] : [text]))
  return deliverTexts(texts, post, { signal, giveUpAfterMs: GIVE_UP_AFTER_MS, onRetry })
}

interface Acknowledged {
  readonly batch: Batch
  readonly delivery: Delivery
  readonly counts: Counts
  readonly open: OpenFile
  readonly context: ImportContext
}

async function take(file: string, { batch, delivery, counts, open, context }: Acknowledged): Promise<Counts> {
  const rejected = rejectedRows(nameOf(file), batch.rows, delivery)
  const rejectsBytes = (await context.rejects?.append(rejected)) ?? 0
  const next: Counts = {
    rows: counts.rows + batch.rows.length,
    accepted: counts.accepted + delivery.accepted,
    duplicates: counts.duplicates === null || delivery.duplicates === undefined ? null : counts.duplicates + delivery.duplicates,
    rejected: counts.rejected + rejected.length,
    derived_ids: counts.derived_ids + batch.rows.filter(({ isDerived }) => isDerived).length,
  }
  if (context.savesPosition && file !== STDIN)
    await writePosition(file, {
      version: 1,
      file,
      call: context.call,
      format: open.format,
      delimiter: open.delimiter ?? null,
      header: open.header() === undefined ? null : [...(open.header() ?? [])],
      position: batch.end,
      sha256: batch.sha256,
      counts: next,
      rejects_bytes: rejectsBytes,
    })
  await context.onBatch(
    next,
    rejected.map(({ rejection }) => rejection),
  )
  return next
}

/** The rows of a batch that were rejected, here or by the service. */
function rejectedRows(file: string, rows: readonly ReadRow[], { outcomes }: Delivery): { read: ReadRow; rejection: RejectedRow }[] {
  let sent = 0
  return rows.flatMap((read) => {
    const outcome = read.text === undefined ? undefined : outcomes[sent++]
    const rejection = outcome?.status === 'rejected' ? outcome : read.rejection
    if (rejection === undefined) return []
    const id = read.fields?.event_id
    const { reason, message } = rejection
    return [{ read, rejection: { file, line: read.row.line, event_id: typeof id === 'string' ? id : null, reason, message } }]
  })
}

function interrupted(file: string, counts: Counts): CliError {
  return new CliError(`Interrupted after ${counted(counts.rows, 'row')} of ${nameOf(file)}.`, EXIT.error, {
    code: 'INTERRUPTED',
    next: howToResume(file),
    retryable: true,
  })
}

function halfDone(file: string, counts: Counts, problem: unknown): CliError {
  const error = problem instanceof CliError ? problem : new CliError(problem instanceof Error ? problem.message : String(problem))
  if (counts.rows === 0) return error
  const { exitCode, code, retryable, requestId } = error
  const next = [error.next, howToResume(file)].filter((each) => each !== undefined).join(' ')
  return new CliError(`${error.message} ${counted(counts.rows, 'row')} of ${nameOf(file)} ${counts.rows === 1 ? 'is' : 'are'} done.`, exitCode, {
    code,
    retryable,
    requestId,
    next,
  })
}

function howToResume(file: string): string {
  return file === STDIN
    ? 'Repeat the call with the same content: rows that were counted are not counted again.'
    : 'Repeat the same call: it goes on from there.'
}
