import { CORRECTION_REASON_RULE, type Correction, isCorrectionReason } from './correction.ts'
import { isEventId, isProjectId, isReservedProjectId } from './event.ts'
import type { SentFields } from './event-steps.ts'
import { METRIC_NAME_PATTERN } from './metrics.ts'
import { monthOf } from './month.ts'
import { isDay } from './period.ts'
import type { Rejection } from './rejection-reasons.ts'

/** `close`: from then on the window has the events of the batch, and no others. `revert`: each event counts what it counted before. */
export const WINDOW_ACTIONS = ['close', 'revert'] as const
export type WindowAction = (typeof WINDOW_ACTIONS)[number]

/** The days of one month on which a batch replaces the usage of a project and metric. */
export interface CorrectionWindow {
  readonly projectId: string
  readonly metric: string
  /** YYYY-MM-DD, both inclusive. */
  readonly from: string
  readonly to: string
}

/** A record of the log that changes a whole window in one step. */
export interface WindowRecord extends CorrectionWindow, Pick<Correction, 'reason'> {
  /** Its own identity, which follows from the action and the batch: a batch is closed once. */
  readonly eventId: string
  readonly batch: string
  readonly action: WindowAction
}

/** One insert has the corrections of a window, and is stored as a whole or not at all. */
export const CORRECTIONS_PER_WINDOW_MAX = 100_000

const BATCH_ID = /^[a-z0-9-]{1,64}$/

export function isBatchId(value: unknown): value is string {
  return typeof value === 'string' && BATCH_ID.test(value)
}

export function windowRecordOf(batch: string, action: WindowAction, { projectId, metric, from, to }: CorrectionWindow, reason: string): WindowRecord {
  return { projectId, eventId: `${action}-${batch}`, batch, action, metric, from, to, reason }
}

/** The record as it is produced to a topic. */
export function windowRecordText({ projectId, eventId, batch, action, metric, from, to, reason }: WindowRecord): string {
  return JSON.stringify({ event_id: eventId, project_id: projectId, correction_batch: batch, batch_action: action, metric, from, to, reason })
}

export type ParsedWindowRecord = { status: 'valid'; window: WindowRecord } | { status: 'rejected'; rejection: Rejection }

/** Parses a record that has a field `batch_action`. The service alone writes such records, so the messages are for its operators. */
export function parseWindowRecord({ event_id, project_id, correction_batch, batch_action, metric, from, to, reason }: SentFields): ParsedWindowRecord {
  const action = WINDOW_ACTIONS.find((each) => each === batch_action)
  if (action === undefined || !isBatchId(correction_batch)) return reject('batch_action must be "close" or "revert", and correction_batch the id of a batch.')
  if (!isProjectId(project_id) || isReservedProjectId(project_id)) return reject('project_id must be the project of the batch.')
  if (!isEventId(event_id) || event_id !== `${action}-${correction_batch}`) return reject(`event_id must be ${action}-${correction_batch}.`)
  if (typeof metric !== 'string' || !METRIC_NAME_PATTERN.test(metric)) return reject('metric must be the metric of the batch.')
  if (typeof from !== 'string' || typeof to !== 'string' || !isWindow(from, to)) return reject(`from and to ${WINDOW_RULE}`)
  if (!isCorrectionReason(reason)) return reject(CORRECTION_REASON_RULE)
  return { status: 'valid', window: windowRecordOf(correction_batch, action, { projectId: project_id, metric, from, to }, reason) }
}

export const WINDOW_RULE = 'must be days of one calendar month as YYYY-MM-DD, the first not after the last.'

/** Whether these days are the first and the last of a window: their events are in one month, and so in one part. */
export function isWindow(from: string, to: string): boolean {
  return isDay(from) && isDay(to) && from <= to && monthOf(from) === monthOf(to)
}

function reject(message: string): ParsedWindowRecord {
  return { status: 'rejected', rejection: { reason: 'invalid_correction', message } }
}
