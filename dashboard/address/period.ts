/** The days that a page shows, both inclusive, in UTC. */
export interface Period {
  readonly first: string
  readonly last: string
}

const MS_PER_DAY = 86_400_000
/** The limit of the API. */
export const PERIOD_DAYS_MAX = 366

const DAY = /^\d{4}-\d{2}-\d{2}$/
const MONTH = /^\d{4}-(?:0[1-9]|1[0-2])$/

export type PeriodChoice = '7d' | '30d' | 'custom' | `month:${string}`

export interface ChosenPeriod {
  readonly period: Period
  readonly choice: PeriodChoice
  /** The URL names a period that there is not, such as 2026-13, so the current month is shown. */
  readonly isOther: boolean
}

/** The period of the URL: `month`, `last` (7d, 30d), or `from` and `to`. Everything else shows the current month. */
export function periodOf(parameters: Readonly<Record<string, string>>, todayMs: number): ChosenPeriod {
  const { month, last, from, to } = parameters
  const today = dayOf(todayMs)
  if (from !== undefined && to !== undefined && isDay(from) && isDay(to) && from <= to && daysBetween(from, to) < PERIOD_DAYS_MAX)
    return { period: { first: from, last: to }, choice: 'custom', isOther: false }
  if (last === '7d' || last === '30d') return { period: { first: addDays(today, last === '7d' ? -6 : -29), last: today }, choice: last, isOther: false }
  const isAsked = month !== undefined && isMonth(month)
  const shown = isAsked ? month : today.slice(0, 7)
  return { period: periodOfMonth(shown), choice: `month:${shown}`, isOther: !isAsked && [month, last, from, to].some((text) => text !== undefined) }
}

/** What the URL says about the period, for a link to another page of the same period. */
export function periodParameters({ month, last, from, to }: Readonly<Record<string, string>>): Record<string, string | undefined> {
  return { month, last, from, to }
}

/** The same number of days before it; for a month the month before. */
export function periodBefore({ period: { first, last }, choice }: ChosenPeriod): Period {
  if (choice.startsWith('month:')) return periodOfMonth(addMonths(first.slice(0, 7), -1))
  return { first: addDays(first, -1 - daysBetween(first, last)), last: addDays(first, -1) }
}

export function periodOfMonth(month: string): Period {
  return { first: `${month}-01`, last: addDays(`${addMonths(month, 1)}-01`, -1) }
}

export function addMonths(month: string, count: number): string {
  const [year = 0, number = 1] = month.split('-').map(Number)
  return new Date(Date.UTC(year, number - 1 + count, 1)).toISOString().slice(0, 7)
}

export function daysOf({ first, last }: Period): string[] {
  return Array.from({ length: daysBetween(first, last) + 1 }, (_, index) => addDays(first, index))
}

export function addDays(day: string, count: number): string {
  return dayOf(Date.parse(`${day}T00:00:00Z`) + count * MS_PER_DAY)
}

/** How many days later. */
export function daysBetween(first: string, last: string): number {
  return Math.round((Date.parse(`${last}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / MS_PER_DAY)
}

export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

export function isMonth(text: string): boolean {
  return MONTH.test(text)
}

/** 2026-02-30 would be moved to March. */
function isDay(text: string): boolean {
  return DAY.test(text) && !Number.isNaN(Date.parse(text)) && dayOf(Date.parse(text)) === text
}
