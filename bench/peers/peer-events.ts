import { METRIC_NAMES, type MetricName } from '../../metering/metrics.ts'

/**
 * The events that every storage shape gets: one month of 5,000 projects of ten partners, in the order of their days. Event number n is the
 * same in TypeScript, in ClickHouse and in PostgreSQL, so that a part can be sent and the rest be computed by each store.
 */
export interface PeerEvent {
  readonly event_id: string
  readonly project_id: string
  readonly metric: MetricName
  /** 0 is the first day of the month. */
  readonly day: number
  /** Milliseconds since 1970. */
  readonly timestampMs: number
  readonly thousandths: number
}

export const PARTNERS = 10
export const PROJECTS = 5_000
/** Of partner 0; the others share the rest. */
export const PROJECTS_OF_FIRST = 2_000
export const DAYS = 31
export const MONTH = { first: '2026-01-01', last: '2026-01-31', end: '2026-02-01' } as const
export const WEEK = { first: '2026-01-25', last: '2026-01-31', end: '2026-02-01' } as const
/** The first day of `WEEK`. */
export const WEEK_FROM_DAY = 24
/** The project of which the week is asked; it is of partner 0. */
export const ASKED_PROJECT = 7

const MONTH_MS = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000
const VALUES = 1_000_000_000

export function makePeerEvent(number: number, events: number): PeerEvent {
  const day = dayOf(number, events)
  return {
    event_id: uuid([11, 12, 13, 14].map((salt) => mix(number, salt).toString(16).padStart(8, '0')).join('')),
    project_id: projectId(projectOf(number)),
    metric: METRIC_NAMES[metricOf(number)] ?? 'ai_tokens',
    day,
    timestampMs: MONTH_MS + day * DAY_MS + (mix(number, 3) % DAY_MS),
    thousandths: thousandthsOf(number),
  }
}

/** These four are what the exact answers need of an event. */
export function projectOf(number: number): number {
  return mix(number, 1) % PROJECTS
}

export function metricOf(number: number): number {
  return mix(number, 2) % METRIC_NAMES.length
}

export function dayOf(number: number, events: number): number {
  return Math.floor((number * DAYS) / events)
}

export function thousandthsOf(number: number): number {
  return mix(number, 4) % VALUES
}

export function partnerOf(project: number): number {
  return project < PROJECTS_OF_FIRST ? 0 : 1 + ((project - PROJECTS_OF_FIRST) % (PARTNERS - 1))
}

export function projectId(project: number): string {
  return `prj_${String(project).padStart(5, '0')}`
}

/** The value as an emitter writes it. */
export function valueText({ thousandths }: Pick<PeerEvent, 'thousandths'>): string {
  const fraction = String(thousandths % 1000)
    .padStart(3, '0')
    .replace(/0+$/, '')
  return `${Math.floor(thousandths / 1000)}${fraction === '' ? '' : `.${fraction}`}`
}

/** The event as an emitter sends it. */
export function eventJson(event: PeerEvent): string {
  const { event_id, project_id, metric } = event
  return `{"event_id":"${event_id}","project_id":"${project_id}","metric":"${metric}","value":"${valueText(event)}","timestamp":"${new Date(event.timestampMs).toISOString()}"}`
}

/** Events `first` to `end` - 1 of all `events` as a subquery of ClickHouse: project_id, event_id, metric, usage_date, timestamp, value, number. */
export function eventsInClickHouse(first: number, end: number, events: number): string {
  const mixed = (salt: number) =>
    mixSql(salt, { xor: (a, b) => `bitXor(${a}, ${b})`, and: (a, b) => `bitAnd(${a}, ${b})`, shift: (a, by) => `bitShiftRight(${a}, ${by})` })
  const hex = [11, 12, 13, 14].map((salt) => `leftPad(lower(hex(toUInt32(${mixed(salt)}))), 8, '0')`).join(', ')
  return `(SELECT number, concat('prj_', leftPad(toString(${mixed(1)} % ${PROJECTS}), 5, '0')) AS project_id, concat(${hex}) AS digits,
      concat(substring(digits, 1, 8), '-', substring(digits, 9, 4), '-', substring(digits, 13, 4), '-', substring(digits, 17, 4), '-', substring(digits, 21)) AS event_id,
      [${METRIC_NAMES.map((name) => `'${name}'`).join(', ')}][${mixed(2)} % ${METRIC_NAMES.length} + 1] AS metric,
      toDate('${MONTH.first}') + intDiv(number * ${DAYS}, ${events}) AS usage_date,
      fromUnixTimestamp64Milli(toInt64(${MONTH_MS} + intDiv(number * ${DAYS}, ${events}) * ${DAY_MS} + ${mixed(3)} % ${DAY_MS}), 'UTC') AS timestamp,
      toDecimal128(${mixed(4)} % ${VALUES}, 3) / 1000 AS value
    FROM numbers(${first}, ${end - first}))`
}

/** The same for PostgreSQL. */
export function eventsInPostgres(first: number, end: number, events: number): string {
  const mixed = (salt: number) => mixSql(salt, { xor: (a, b) => `(${a} # ${b})`, and: (a, b) => `(${a} & ${b})`, shift: (a, by) => `(${a} >> ${by})` })
  const hex = [11, 12, 13, 14].map((salt) => `lpad(to_hex(${mixed(salt)}), 8, '0')`).join(' || ')
  return `(SELECT 'prj_' || lpad((${mixed(1)} % ${PROJECTS})::text, 5, '0') AS project_id, (${hex})::uuid AS event_id,
      (ARRAY[${METRIC_NAMES.map((name) => `'${name}'`).join(', ')}])[${mixed(2)} % ${METRIC_NAMES.length} + 1] AS metric,
      to_timestamp((${MONTH_MS} + (number * ${DAYS} / ${events}) * ${DAY_MS} + ${mixed(3)} % ${DAY_MS}) / 1000.0) AS "timestamp",
      (${mixed(4)} % ${VALUES}) * 0.001::numeric AS value
    FROM generate_series(${first}::bigint, ${end - 1}::bigint) AS number)`
}

const FIRST_FACTOR = 2_654_435_761
const SECOND_FACTOR = 1_540_483_477
const WORD = 4_294_967_295

/** Spreads consecutive numbers like random ones, one to one. No intermediate result exceeds 63 bits, which is what PostgreSQL can multiply. */
function mix(number: number, salt: number): number {
  let mixed = Math.imul(number + salt * 1_000_003, FIRST_FACTOR)
  mixed = Math.imul(mixed ^ (mixed >>> 15), SECOND_FACTOR)
  return (mixed ^ (mixed >>> 13)) >>> 0
}

interface Bits {
  xor(left: string, right: string): string
  and(left: string, right: string): string
  shift(value: string, by: number): string
}

function mixSql(salt: number, { xor, and, shift }: Bits): string {
  const first = and(`(number + ${salt * 1_000_003}) * ${FIRST_FACTOR}`, String(WORD))
  const second = and(`${xor(first, shift(first, 15))} * ${SECOND_FACTOR}`, String(WORD))
  return xor(second, shift(second, 13))
}

function uuid(digits: string): string {
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-')
}
