import { hasCodePointsAtMost, isEventId, isPlainText } from './event.ts'
import { JSON_FIELD_NAMES, parseIdentity, type SentFields } from './event-steps.ts'
import { parseQuantity, type Quantity, quantityRule } from './quantity.ts'
import type { Rejection, RejectReason } from './rejection-reasons.ts'

/** `void`: the event does not count. `amend`: it counts with another value. */
export const CORRECTION_ACTIONS = ['void', 'amend'] as const
export type CorrectionAction = (typeof CORRECTION_ACTIONS)[number]

/** An event of the same log that changes what another one counts. Of several corrections of one event the latest applies. */
export interface Correction {
  readonly projectId: string
  /** Its own identity, which it shares with no other event or correction of the project. */
  readonly eventId: string
  /** The id of the event that it corrects, of the same project. */
  readonly corrects: string
  readonly action: CorrectionAction
  /** The value that the event counts with from then on; '0' for a void. */
  readonly value: Quantity
  readonly reason: string
}

export const CORRECTION_REASON_CODE_POINTS_MAX = 500

export type ParsedCorrection = { status: 'valid'; correction: Correction } | { status: 'rejected'; rejection: Rejection }

/** Parses an event that has a field `corrects`. Its metric and timestamp are ignored: they are those of the event that it corrects. */
export function parseCorrection(fields: SentFields): ParsedCorrection {
  const identity = { eventId: '', projectId: '' }
  const wrongIdentity = parseIdentity(identity, fields, JSON_FIELD_NAMES)
  if (wrongIdentity !== undefined) return { status: 'rejected', rejection: wrongIdentity }
  const { corrects, action, value: sent, reason } = fields
  if (!isEventId(corrects)) return reject('invalid_correction', 'corrects must be the event_id of the event to correct, a string of 1 to 128 characters.')
  if (corrects === identity.eventId) return reject('invalid_correction', 'event_id must be an id of its own, not that of the event to correct.')
  if (!isAction(action))
    return reject('invalid_correction', 'action must be "void", if the event must not count, or "amend", with the value that counts instead.')
  if (!isCorrectionReason(reason)) return reject('invalid_correction', CORRECTION_REASON_RULE)
  if (action === 'void') {
    if (sent !== undefined && sent !== null) return reject('invalid_correction', 'value must be left out of a void. To change the value, use "amend".')
    return { status: 'valid', correction: { ...identity, corrects, action, value: VOIDED, reason } }
  }
  const value = parseQuantity(sent)
  if (value === undefined) return reject('invalid_value', quantityRule(JSON_FIELD_NAMES.value))
  return { status: 'valid', correction: { ...identity, corrects, action, value, reason } }
}

const VOIDED: Quantity = '0'
export const CORRECTION_REASON_RULE = `reason must be a string of 1 to ${CORRECTION_REASON_CODE_POINTS_MAX} characters without control characters. It says why the event is corrected.`

function isAction(action: unknown): action is CorrectionAction {
  return action === 'void' || action === 'amend'
}

export function isCorrectionReason(reason: unknown): reason is string {
  return typeof reason === 'string' && reason !== '' && hasCodePointsAtMost(reason, CORRECTION_REASON_CODE_POINTS_MAX) && isPlainText(reason)
}

function reject(reason: RejectReason, message: string): ParsedCorrection {
  return { status: 'rejected', rejection: { reason, message } }
}
