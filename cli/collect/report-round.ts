import { once } from 'node:events'
import type { WireEvent } from '../../emitter/event.ts'
import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { CliError, EXIT, type ExitCode } from '../errors.ts'
import type { Session } from '../session.ts'
import type { RoundResult } from './round.ts'

/** Of each kind of detail so many are shown; --json has all. */
const SHOWN_MAX = 20

/** Prints samples as NDJSON; waits while the reader of stdout is slower. */
export async function printSamples(samples: readonly WireEvent[]): Promise<void> {
  for (const sample of samples) if (!process.stdout.write(`${JSON.stringify(sample)}\n`)) await once(process.stdout, 'drain')
}

/** Prints what became of a collection: on stdout, or in a dry run, where stdout has the samples, on stderr. For programs it is one line of JSON on stdout, in a dry run behind the samples. */
export function printRound(session: Session, result: RoundResult, isDryRun: boolean): void {
  const text = session.json === true ? JSON.stringify(documentOf(result, isDryRun)) : linesOf(result, isDryRun).join('\n')
  const stream = isDryRun && session.json !== true ? process.stderr : process.stdout
  stream.write(`${text}\n`)
}

function documentOf(result: RoundResult, isDryRun: boolean) {
  const { collector, at, samples, accepted, duplicates, rejected, undelivered, deliveryFailure, gaps, failures, ignored } = result
  return {
    type: 'summary',
    collector,
    at,
    dry_run: isDryRun,
    samples,
    accepted,
    duplicates: duplicates ?? null,
    not_delivered: undelivered.length,
    delivery_failure: deliveryFailure?.message ?? null,
    rejected: rejected.map(({ sample, reason, message }) => ({ ...sample, reason, message })),
    gaps,
    failures,
    ignored,
  }
}

function linesOf(result: RoundResult, isDryRun: boolean): string[] {
  const { collector, samples, accepted, duplicates, rejected, undelivered, gaps, failures, ignored, deliveryFailure } = result
  const detected = duplicates === undefined ? 'duplicates are detected later' : counted(duplicates, 'duplicate')
  const outcome = isDryRun ? 'not sent' : `${grouped(accepted)} accepted, ${detected}, ${grouped(rejected.length)} rejected`
  const missing = undelivered.length === 0 ? '' : `, ${grouped(undelivered.length)} not delivered`
  const failed = failures.length === 0 ? '' : `, ${counted(failures.length, 'source')} failed`
  // The first one is in the error of the collection, unless that is about the delivery.
  const others = deliveryFailure === undefined ? failures.slice(1) : failures
  return [
    `${collector}: ${counted(samples, 'sample')}: ${outcome}${missing}, ${counted(gaps.length, 'gap')}${failed}`,
    ...shown(gaps, ({ project_id, metric, from, to }) => `gap: ${metric} of ${project_id} has no sample from ${from} to ${to}`),
    ...shown(rejected, ({ sample, reason, message }) => `rejected: ${sample.metric} of ${sample.project_id} at ${sample.timestamp}: ${reason}: ${message}`),
    ...shown(others, ({ source, message }) => `failed: ${source}: ${message}`),
    ...shown(ignored, ({ reason, count, examples }) => `ignored: ${grouped(count)} ${reason}: ${examples.join(', ')}${count > examples.length ? ', …' : ''}`),
  ]
}

function shown<T>(all: readonly T[], lineOf: (each: T) => string): string[] {
  const lines = all.slice(0, SHOWN_MAX).map((each) => `  ${lineOf(each)}`)
  return all.length > SHOWN_MAX ? [...lines, `  and ${grouped(all.length - SHOWN_MAX)} more`] : lines
}

function samplesWere(count: number): string {
  return `${counted(count, 'sample')} ${count === 1 ? 'was' : 'were'}`
}

const EXIT_OF_STATUS: Readonly<Record<number, ExitCode>> = { 401: EXIT.notAuthenticated, 403: EXIT.permissionDenied }

/** What makes the collection fail as a whole; undefined if nothing does. A gap does not: it is reported, and cannot be filled. */
export function errorOf({ collector, failures, rejected, undelivered, deliveryFailure }: RoundResult): CliError | undefined {
  if (deliveryFailure !== undefined) {
    const { kind, httpStatus, code, message } = deliveryFailure
    const isRetryable = kind !== 'refused'
    return new CliError(`${message} ${samplesWere(undelivered.length)} not delivered.`, EXIT_OF_STATUS[httpStatus ?? 0] ?? EXIT.error, {
      code: code ?? (isRetryable ? 'UNREACHABLE' : undefined),
      next: isRetryable ? 'Collect again: what was counted is not counted again. Sizes can be collected until their slot ends.' : undefined,
      retryable: isRetryable,
    })
  }
  if (failures.length > 0) {
    const [first] = failures
    const more = failures.length > 1 ? ` and ${failures.length - 1} more` : ''
    return new CliError(`${first?.source}${more} failed: ${first?.message}`, EXIT.error, {
      code: 'SOURCES_FAILED',
      next:
        [first?.next, rejected.length > 0 ? `${samplesWere(rejected.length)} rejected.` : undefined].filter((each) => each !== undefined).join(' ') ||
        undefined,
      retryable: true,
    })
  }
  if (rejected.length === 0) return undefined
  const isConflict = rejected.some(({ reason }) => reason === 'conflict')
  return new CliError(`${collector}: ${samplesWere(rejected.length)} rejected.`, EXIT.error, {
    code: 'EVENTS_REJECTED',
    next: isConflict
      ? 'A count differs from the one that was counted before, which still counts. Send the difference with "meterline emit" and an id of its own.'
      : 'The service keeps them with their reasons: meterline rejected list',
  })
}
