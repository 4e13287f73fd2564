import type { ClickHouse } from '../../sql/clickhouse.ts'
import { isOvertaken } from '../../sql/errors.ts'
import { acquireLease, isLeaseHeld } from '../../sql/lease.ts'
import { retireLog } from '../log/retire-log.ts'
import { HTTP_SOURCE, nameOf, readSource, SOURCE_LEASE, type SourceState, writeSource } from '../source/source-in-force.ts'
import { findLogsOfOthers, findRetiredLogs, listSourceLogs, type ReadLog } from './source-logs.ts'

/** If the switch is rejected, the reason says what to do instead. */
export type SwitchOutcome = { status: 'done'; left: LeftSource | undefined } | { status: 'rejected'; reason: string }

/** The source that is not in force any more, and up to where its logs were read. */
export interface LeftSource {
  readonly source: string
  readonly logs: readonly ReadLog[]
}

export interface SwitchOptions {
  /** Needed to leave a topic: what it holds after the offsets that were read is not counted while another source is in force. */
  readonly leaveUnread: boolean
  /** Called before each step. Tests end the switch there, as a crash would. */
  readonly onStep?: (step: SwitchStep) => Promise<void>
}

export type SwitchStep = 'acquire' | 'write switching' | 'retire' | 'write in force'

/**
 * Puts a source in force. The order is the guarantee:
 * 1. Acquire the lease `source`, and only then read which source is left: another switch may have ended since the request. A crash
 *    after: nothing has changed.
 * 2. Write that a switch has begun: no source is in force. A crash after: no process acquires a log any more, the owners of the old
 *    logs go on until they are retired, and what they count is complete. Nothing counts twice.
 * 3. Retire the logs of every other source, looked up only now: a process that acquires one later reads that no source is in
 *    force, and gives up. A crash after some of them: nothing is counted in these.
 * 4. Write that the new source is in force. A crash before: no source is in force, and `/readyz` of every process says so.
 * Running it again completes it, whatever step it was in, also for another source. For the source in force only step 3 is left, of the
 * logs that are not retired yet: an upgrade puts a source in force without it. A source that comes back goes on at its stored positions.
 * Throws StoreError.
 */
export async function switchSource(clickhouse: ClickHouse, source: string, { leaveUnread, onStep = async () => {} }: SwitchOptions): Promise<SwitchOutcome> {
  const { control } = clickhouse
  // Not to overtake another switch in vain; what decides is the check under the lease.
  const early = leavingOf(await readSource(control), source)
  if (needsConsent(early) && !leaveUnread) return { status: 'rejected', reason: await describeUnread(clickhouse, early) }
  await onStep('acquire')
  const outcome = await acquireLease(clickhouse, SOURCE_LEASE)
  if (outcome.status === 'outranked') return OVERTAKEN
  const { lease } = outcome
  const before = await readSource(control)
  const leaving = leavingOf(before, source)
  if (needsConsent(leaving) && !leaveUnread) return { status: 'rejected', reason: await describeUnread(clickhouse, leaving) }
  const isInForce = before?.isInForce === true && before.source === source
  try {
    if (!isInForce) {
      await onStep('write switching')
      await writeSource(control, lease, { source, isInForce: false })
    }
    // An owner that acquires one of these later finds that another source is in force, and gives up.
    const retired = isInForce ? await findRetiredLogs(control) : new Set()
    for (const log of (await findLogsOfOthers(clickhouse, source)).filter((other) => !retired.has(other))) {
      await onStep('retire')
      // Not needed for exactness: an overtaken switch would retire logs of the source in force by now, whose owners would have to recover.
      if (!(await isLeaseHeld(clickhouse, lease))) return OVERTAKEN
      await retireLog(clickhouse, log, { permanently: false })
    }
    if (!isInForce) {
      await onStep('write in force')
      await writeSource(control, lease, { source, isInForce: true })
    }
  } catch (error) {
    if (isOvertaken(error) && !(await isLeaseHeld(clickhouse, lease))) return OVERTAKEN
    throw error
  }
  return { status: 'done', left: leaving === undefined ? undefined : { source: leaving, logs: await listSourceLogs(control, leaving) } }
}

const OVERTAKEN: SwitchOutcome = { status: 'rejected', reason: 'Another switch was started meanwhile. See "meterline log source" for what is in force.' }

/** The source that is left by a switch to `source`; undefined if there is none. */
function leavingOf(state: SourceState | undefined, source: string): string | undefined {
  return state === undefined || state.lastInForce === source ? undefined : state.lastInForce
}

/** Events over HTTP are not read later, so nothing is left unread there. */
function needsConsent(leaving: string | undefined): leaving is string {
  return leaving !== undefined && leaving !== HTTP_SOURCE
}

async function describeUnread({ control }: ClickHouse, leaving: string): Promise<string> {
  const logs = await listSourceLogs(control, leaving)
  const places = logs.map(
    ({ log, settledThrough, asOfMs }) =>
      `${log} through offset ${settledThrough}${asOfMs === null ? '' : `, complete up to ${new Date(asOfMs).toISOString()}`}`,
  )
  return (
    `This store counts the events of ${nameOf(leaving)}. Later events there are not counted while another source is in force. It was read: ${places.join('; ') || 'not at all'}. ` +
    'To leave the rest unread, stop its producers, wait until everything is read, and confirm with --leave-unread.'
  )
}
