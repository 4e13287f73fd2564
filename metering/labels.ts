import { hasCodePointsAtMost, isPlainText } from './event.ts'

/**
 * Labels divide the usage of a metric by properties of its events, such as a model or a region. A metric declares its keys; an event may
 * have a text for each of them. Labels are no part of an event's identity and change no total, so nothing about them rejects an event.
 */
export const LABEL_KEYS_MAX = 3
export const LABEL_KEY_PATTERN = /^[a-z][a-z0-9_]{0,31}$/
/** Up to three keys with commas. */
export const GROUP_BY_PATTERN = /^[a-z][a-z0-9_]{0,31}(?:,[a-z][a-z0-9_]{0,31}){0,2}$/
export const LABEL_CHARACTERS_MAX = 64

/** How many groups an answer has. The rest is added up in a group of its own. */
export const LABEL_SETS_MAX = 1_000
/** The label of that group. */
export const OTHER_LABEL = '(other)'

export interface ReadLabels {
  /** JSON with sorted keys, so that equal labels are equal text; '' without labels. */
  readonly text: string
  /** How many of the labels that were sent do not count: with a key that is not declared, or a value that is no short plain text. */
  readonly ignored: number
}

/** The labels of an event as they are stored. An empty text is no label. */
export function readLabels(sent: unknown, declared: readonly string[]): ReadLabels {
  if (sent === undefined || sent === null) return NO_LABELS
  if (typeof sent !== 'object' || Array.isArray(sent)) return { text: '', ignored: 1 }
  let ignored = 0
  const labels: [string, string][] = []
  for (const [key, value] of Object.entries(sent)) {
    if (value === '' || value === null) continue
    if (declared.includes(key) && isLabelValue(value)) labels.push([key, value])
    else ignored += 1
  }
  return { text: textOfLabels(labels), ignored }
}

/** The stored text of labels with different keys. */
function textOfLabels(labels: readonly (readonly [string, string])[]): string {
  if (labels.length === 0) return ''
  return JSON.stringify(Object.fromEntries(labels.toSorted(([one], [other]) => (one < other ? -1 : 1))))
}

/** Whether it is a valid label: 1 to 64 code points of plain text. */
function isLabelValue(value: unknown): value is string {
  return typeof value === 'string' && hasCodePointsAtMost(value, LABEL_CHARACTERS_MAX) && isPlainText(value)
}

const NO_LABELS: ReadLabels = { text: '', ignored: 0 }
