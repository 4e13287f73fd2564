import type { Quantity } from './quantity.ts'

/** A usage event that may count. Its identity is (projectId, eventId): two fields, never joined into one. */
export interface UsageEvent {
  readonly projectId: string
  readonly eventId: string
  readonly metric: string
  readonly value: Quantity
  readonly timestampMs: number
  /** The declared labels as JSON text with sorted keys; undefined without any. They are no part of the identity. */
  readonly labels?: string
  /** The value of a metric that counts distinct texts; `value` is 0 then. */
  readonly text?: string
  /** It is of a metric of the kinds `last` and `unique`, so its state is stored too (sql/usage-states.ts). */
  readonly hasState?: boolean
  /** The batch under which the event was sent to replace others: it does not count until that batch is closed. */
  readonly correctionBatch?: string
}

export const EVENT_ID_CODE_POINTS_MAX = 128
const COUNTED_TEXT_CODE_POINTS_MAX = 128
export const PROJECT_ID_CHARACTERS_MAX = 128
export const EVENT_BYTES_MAX = 64 * 1024
export const ORIGINAL_BYTES_KEPT_MAX = 64 * 1024
export const TIMESTAMP_MIN_MS = Date.UTC(2000, 0, 1)
export const TIMESTAMP_AHEAD_MS_MAX = 5 * 60_000

/**
 * Path segments of the API: a project with such an id could not be reached. So it can be neither registered nor metered, or its usage
 * would be counted and never billed.
 */
export const RESERVED_PROJECT_IDS: readonly string[] = ['.', '..', 'usage', 'projects', 'statements', 'connect-user', 'sync-embedded-project']

const PROJECT_ID = /^[A-Za-z0-9_.:-]{1,128}$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: it matches the control characters (C0, DEL, C1)
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/

export function isProjectId(value: unknown): value is string {
  return typeof value === 'string' && PROJECT_ID.test(value)
}

export function isReservedProjectId(projectId: string): boolean {
  return RESERVED_PROJECT_IDS.includes(projectId)
}

/** Whether the value is a valid event id: 1 to 128 code points of plain text. */
export function isEventId(value: unknown): value is string {
  if (typeof value !== 'string' || value === '') return false
  return hasCodePointsAtMost(value, EVENT_ID_CODE_POINTS_MAX) && isPlainText(value)
}

/** Whether the value can be counted by a metric of the kind `unique`: 1 to 128 code points of plain text. */
export function isCountedText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && hasCodePointsAtMost(value, COUNTED_TEXT_CODE_POINTS_MAX) && isPlainText(value)
}

/** A code point has at most two UTF-16 units, so a text of megabytes need not be counted. */
export function hasCodePointsAtMost(text: string, codePointsMax: number): boolean {
  return text.length <= codePointsMax || (text.length <= 2 * codePointsMax && [...text].length <= codePointsMax)
}

/**
 * Whether the text has no control characters and no lone surrogates. Every lone surrogate becomes U+FFFD in UTF-8, so two ids
 * that differ only there would be stored as one, and the second event would not be billed.
 */
export function isPlainText(text: string): boolean {
  return !CONTROL_CHARACTER.test(text) && text.isWellFormed()
}
