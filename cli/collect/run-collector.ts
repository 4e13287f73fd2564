import { sleep, systemClock } from '../../emitter/clock.ts'
import { postOverHttp } from '../../emitter/post-over-http.ts'
import { nextSlotMs } from '../../emitter/slots.ts'
import { connect } from '../connection/connect.ts'
import { type CliError, EXIT } from '../errors.ts'
import { listenForInterruption } from '../interruption.ts'
import { printNote } from '../output.ts'
import { retryNote } from '../retry-note.ts'
import type { Session } from '../session.ts'
import type { Collector } from './collector.ts'
import { GIVE_UP_AFTER_MS, isLevel } from './deliver-samples.ts'
import { requireDuration } from './durations.ts'
import { errorOf, printRound, printSamples } from './report-round.ts'
import { collectRound, type RoundOptions } from './round.ts'
import { NO_SLOTS, readSlots, writeSlots } from './saved-slots.ts'

/** The options that every collector has. */
export interface RunOptions {
  readonly every?: string
  readonly state?: string
  readonly dryRun?: boolean
}

/** During an outage of the service, so many sizes are kept to be sent after it. */
const CARRIED_MAX = 100_000

/** Collects and sends once, or with --every until it is stopped. Throws CliError if a source failed or a sample was rejected. */
export async function runCollector(session: Session, collector: Collector, { every, state, dryRun: isDryRun = false }: RunOptions): Promise<void> {
  const everyMs = every === undefined ? undefined : requireDuration(every, '--every')
  const of = { collector: collector.name, slotMs: collector.slotMs }
  let slots = state === undefined ? NO_SLOTS : await readSlots(state, of)
  const interruption = listenForInterruption()
  const { signal } = interruption
  const deliver: RoundOptions['deliver'] = isDryRun
    ? undefined
    : { post: postOf(session), signal, onRetry: (problem) => printNote(session, retryNote(problem, GIVE_UP_AFTER_MS)) }
  const options = { deliver, onSamples: isDryRun ? printSamples : undefined }
  let carried: Awaited<ReturnType<typeof collectRound>>['undelivered'] = []
  try {
    for (;;) {
      const result = await collectRound(collector, { nowMs: Date.now(), slots, signal }, { ...options, carried })
      if (signal.aborted && everyMs !== undefined) return
      slots = result.slots
      if (state !== undefined && !isDryRun) await writeSlots(state, slots, of)
      printRound(session, result, isDryRun)
      const error = errorOf(result)
      if (error !== undefined && (everyMs === undefined || isFinal(error))) throw error
      if (everyMs === undefined) return
      if (error !== undefined) printNote(session, [error.message, error.next ?? ''].join('\n'))
      // Counts are read again. Without room, the oldest sizes become gaps.
      carried = result.undelivered.filter(({ metric }) => isLevel(metric)).slice(-CARRIED_MAX)
      await sleep(systemClock, nextSlotMs(Date.now(), everyMs) - Date.now(), signal)
      if (signal.aborted) return
    }
  } finally {
    interruption.stop()
  }
}

function postOf(session: Session) {
  const connection = connect(session, ['emitter'])
  return postOverHttp({ url: connection.url, key: connection.credential.secret })
}

/** What only a person can change. */
function isFinal({ exitCode }: CliError): boolean {
  return exitCode === EXIT.notAuthenticated || exitCode === EXIT.permissionDenied
}
