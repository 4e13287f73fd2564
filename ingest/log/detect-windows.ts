import { subtractDecimals } from '../../metering/exact-decimal.ts'
import type { Rejection } from '../../metering/rejection-reasons.ts'
import { CORRECTIONS_PER_WINDOW_MAX, type WindowRecord } from '../../metering/window-record.ts'
import { addedVoided, type CorrectionEffect, type StoredRecords } from './detect-corrections.ts'
import type { EventOfWindow, StoredWindow, WindowState } from './stored-windows.ts'

/** What a record that closes or reverts a batch changes. */
export interface WindowChanges {
  /** 1 more than that of the last record of the project that closed or reverted a batch. */
  readonly number: number
  readonly events: readonly EventChange[]
}

export interface EventChange extends Pick<CorrectionEffect, 'revision' | 'usageDate' | 'labels' | 'addedTotal' | 'addedVoided'> {
  readonly corrects: string
  /** The value that counts from then on; undefined if the event does not count. */
  readonly value: string | undefined
}

export type WindowVerdict =
  | { status: 'counted'; changes: WindowChanges }
  | { status: 'duplicate' | 'already_stored' }
  | { status: 'rejected'; rejection: Rejection }

/**
 * The verdict on a record that closes or reverts a batch. All that was stored before it is known: it is a batch of the log of its own. The
 * identity follows from the batch, so a batch is closed once, and another such record is a copy.
 */
export function classifyWindow(place: { readonly log: string; readonly offset: number }, record: WindowRecord, stored: StoredRecords): WindowVerdict {
  const { projectId, eventId, batch, action } = record
  const known = stored.corrections.get(projectId, eventId)
  if (known !== undefined && known.log === place.log && known.offset === place.offset) return { status: 'already_stored' }
  if (known?.batch === batch) return { status: 'duplicate' }
  if (known !== undefined || stored.events.get(projectId, eventId) !== undefined) return rejected(`Another event has the id ${eventId}.`)
  if (stored.window === undefined) throw new Error('What a window holds was not looked up.')
  const problem = action === 'revert' ? findProblemOfRevert(record, stored.window) : undefined
  if (problem !== undefined) return rejected(problem)
  const events = changesOf(record, stored.window.events)
  if (stored.window.isTooLarge || events.length > CORRECTIONS_PER_WINDOW_MAX || bytesOf(events, record) > WINDOW_BYTES_MAX)
    return rejected(describeTooMany(record))
  return { status: 'counted', changes: { number: stored.window.lastNumber + 1, events } }
}

/** What each event of the window counts afterwards, for those of which that may be another value than before. */
function changesOf({ batch, action }: Pick<WindowRecord, 'batch' | 'action'>, events: readonly EventOfWindow[]): EventChange[] {
  return events.flatMap((event): EventChange[] => {
    const { eventId: corrects, usageDate, labels, states } = event
    const before = valueAfter(event, states.at(-1))
    const closing = states.findIndex((state) => state.recordId === `close-${batch}`)
    const isOfBatch = event.correctionBatch === batch
    if (action === 'close' ? before === undefined && !isOfBatch : closing === -1) return []
    const value = action === 'close' ? (isOfBatch ? event.value : undefined) : valueAfter(event, closing === 0 ? undefined : states[closing - 1])
    return [
      {
        ...{ corrects, usageDate, labels, value },
        revision: (states.at(-1)?.revision ?? 0) + 1,
        addedTotal: subtractDecimals(value ?? '0', before ?? '0'),
        addedVoided: addedVoided(before !== undefined, value !== undefined),
      },
    ]
  })
}

/** The effective value of an event after one of its corrections; without any, an event of a batch does not count. */
function valueAfter({ correctionBatch, value }: EventOfWindow, state: WindowState | undefined): string | undefined {
  if (state !== undefined) return state.action === 'void' ? undefined : state.value
  return correctionBatch === '' ? value : undefined
}

/** A later batch has replaced what this one left. Reverting this one first would count the usage before it beside that of the later one. */
function findProblemOfRevert({ batch, metric, from, to }: WindowRecord, { batches }: StoredWindow): string | undefined {
  const numberOf = (action: string, of: string) => batches.find((each) => each.action === action && each.batch === of)?.number
  const closed = numberOf('close', batch)
  if (closed === undefined) return `The correction batch ${batch} is not closed, so there is nothing to revert.`
  const later = batches.find(
    (each) =>
      each.action === 'close' &&
      each.number > closed &&
      each.metric === metric &&
      each.from <= to &&
      each.to >= from &&
      numberOf('revert', each.batch) === undefined,
  )
  return later && `The correction batch ${later.batch} has replaced some of these days since, ${later.from} to ${later.to}. Revert that one first.`
}

/** More than this could become more than one block, and so more than one part: after a crash between them the window would be half replaced. */
const WINDOW_BYTES_MAX = 128 * 1024 * 1024
/** Of the fields with a fixed width, and of numbers. */
const FIXED_BYTES = 200

function bytesOf(events: readonly EventChange[], { reason, projectId }: WindowRecord): number {
  const ofEach = Buffer.byteLength(reason) + projectId.length + FIXED_BYTES
  return events.reduce((bytes, { corrects, labels }) => bytes + ofEach + Buffer.byteLength(corrects) + Buffer.byteLength(labels), 0)
}

function describeTooMany({ from, to }: WindowRecord): string {
  return `The days ${from} to ${to} hold more events that would change than one closing can: ${CORRECTIONS_PER_WINDOW_MAX}, or fewer with long ids and a long reason. Narrow the window: open a batch for fewer days.`
}

function rejected(message: string): WindowVerdict {
  return { status: 'rejected', rejection: { reason: 'invalid_correction', message } }
}
