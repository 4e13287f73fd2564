import { METRIC_NAME_PATTERN, METRIC_NAMES } from '../../metering/metrics.ts'
import { didYouMean } from '../../metering/nearest-name.ts'
import { CliError, usageError } from '../errors.ts'
import { isLabelField, type LabelField, labelFieldsOf } from './label-columns.ts'

export const EVENT_FIELDS = ['event_id', 'project_id', 'metric', 'value', 'timestamp'] as const
export type EventField = (typeof EVENT_FIELDS)[number]

/** By field, and by label: `labels.model`. */
export type FieldTexts = Partial<Record<EventField, string>> & Record<LabelField, string>

/** Where the fields of an event come from. */
export interface Sources {
  /** Names of columns of CSV or members of JSON, where they differ from the name of the field. */
  readonly columns: FieldTexts
  /** Values that every row has. */
  readonly constants: FieldTexts
}

/** Throws CliError for what is no field, and for a field with two sources. */
export function readSources({ map = [], set = [] }: { map?: readonly string[] | undefined; set?: readonly string[] | undefined }): Sources {
  const sources = { columns: readPairs('--map', map), constants: readPairs('--set', set) }
  const both = Object.keys(sources.columns).find((field) => Object.hasOwn(sources.constants, field))
  if (both !== undefined) throw usageError(`${both} is given by --map and by --set.`, 'Leave one of them out.')
  if (sources.constants.event_id !== undefined) throw usageError('--set event_id would give all rows one id.', 'Leave it out: rows without an id get one.')
  const { metric } = sources.constants
  if (metric !== undefined && !METRIC_NAME_PATTERN.test(metric))
    throw usageError(
      `--set metric=${metric} is no metric.${didYouMean(metric, METRIC_NAMES)}`,
      `Metrics are ${METRIC_NAMES.join(', ')}, and those that are defined.`,
    )
  return sources
}

/** A comma separates two pairs only before the name of a field, because names of columns may have commas. */
const BETWEEN_PAIRS = new RegExp(`,(?=(?:${EVENT_FIELDS.join('|')}|labels\\.[a-z0-9_]+)=)`)

function readPairs(flag: string, given: readonly string[]): FieldTexts {
  const pairs: FieldTexts = {}
  for (const pair of given.flatMap((each) => each.split(BETWEEN_PAIRS))) {
    const [name = '', ...rest] = pair.split('=')
    const field = isLabelField(name.trim()) ? (name.trim() as LabelField) : EVENT_FIELDS.find((each) => each === name.trim())
    const value = rest.join('=').trim()
    if (field === undefined || value === '')
      throw usageError(
        `${flag} "${pair}" is not a field and ${flag === '--map' ? 'a column' : 'a value'}, such as ${flag === '--map' ? 'value=Amount' : 'metric=ai_tokens'}.`,
        `Fields are ${EVENT_FIELDS.join(', ')}, and labels.<key> for a label.`,
      )
    if (pairs[field] !== undefined) throw usageError(`${flag} gives ${field} twice.`)
    pairs[field] = value
  }
  return pairs
}

/** The place of each field and of each label that a CSV file has. */
export type Places = Partial<Record<EventField | LabelField, number>>

/** The place of each field among the columns of a CSV header; undefined for constants and a missing event_id. Throws CliError. */
export function placesOf(header: readonly string[], { columns, constants }: Sources, file: string): Places {
  const names = header.map((each) => each.trim())
  const places: Places = {}
  const missing: string[] = []
  const labels = [...names.filter(isLabelField), ...labelFieldsOf(columns).map(([field]) => field)]
  for (const field of [...EVENT_FIELDS, ...new Set(labels)]) {
    if (constants[field] !== undefined) continue
    const wanted = columns[field]
    const isWanted = (name: string) => (wanted === undefined ? name.toLowerCase() === field : name === wanted)
    const place = names.findIndex(isWanted)
    if (place !== names.findLastIndex(isWanted)) throw new CliError(`${file} has the column "${names[place]}" twice, so ${field} is not certain.`)
    if (place !== -1) places[field] = place
    else if (wanted !== undefined) throw new CliError(`${file} has no column "${wanted}" for ${field}. Its columns are: ${names.join(', ')}.`)
    else if (field !== 'event_id' && !isLabelField(field)) missing.push(field)
  }
  if (missing.length === 0) return places
  throw new CliError(`${file} has no column ${missing.join(', ')}. Its columns are: ${names.join(', ')}.`, undefined, {
    next: `Name the columns with --map ${missing.map((field) => `${field}=<column>`).join(',')}, or give a value for all rows with --set ${missing[0]}=<value>. The first line of a CSV file must be its header.`,
  })
}
