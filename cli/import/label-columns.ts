import { NumberToken } from '../../metering/quantity.ts'

/** A label of an event in `--map` and `--set`, and a column of CSV: `labels.` and its key. */
export type LabelField = `labels.${string}`

const PREFIX = 'labels.'
const LABEL_FIELD = /^labels\.[a-z][a-z0-9_]{0,31}$/

export function isLabelField(name: string): name is LabelField {
  return LABEL_FIELD.test(name)
}

/** The labels of a row as an object, from the texts of its label fields; undefined without any. What a row has itself comes first. */
export function labelsOf(fields: Partial<Record<LabelField, unknown>>, own?: Record<string, unknown>): Record<string, unknown> | undefined {
  const labels = { ...own }
  for (const [field, value] of Object.entries(fields)) {
    // A label that another system writes as a number is the same label as a text.
    if (value !== undefined && value !== '') labels[field.slice(PREFIX.length)] = value instanceof NumberToken ? value.text : value
  }
  return Object.keys(labels).length === 0 ? undefined : labels
}

/** Those of the given fields that are labels. */
export function labelFieldsOf<T>(fields: Readonly<Record<string, T>>): [LabelField, T][] {
  return Object.entries(fields).filter((entry): entry is [LabelField, T] => isLabelField(entry[0]))
}
