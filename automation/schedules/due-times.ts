import { Cron } from 'croner'
import { wallClockOf } from './wall-clock.ts'

/** When a schedule is due. */
export interface Timing {
  /** The first due time after an instant, in ms since 1970; undefined if there is none. */
  nextAfter(instantMs: number): number | undefined
}

export type TimingOutcome =
  | { readonly status: 'valid'; readonly timing: Timing }
  | { readonly status: 'invalid'; readonly field: 'cronSchedule' | 'timezone'; readonly problem: string }

/**
 * Parses five fields of cron, or "N seconds" with N from 1 to 59. croner finds the wall times that match, and wall-clock.ts says at which
 * instants the clocks of the zone show them: a time inside a gap is due once, at the end of the gap, and a repeated hour is due once, in
 * its first pass. Intervals are counted from 1970 and know no zone.
 */
export function parseTiming({ cronSchedule, timezone }: { readonly cronSchedule: string; readonly timezone: string }): TimingOutcome {
  const clock = wallClockOf(timezone)
  if (clock === undefined) return invalid('timezone', `"${timezone}" is not a time zone of the IANA database, such as UTC or Europe/Berlin`)
  const text = cronSchedule.trim()
  const interval = /^(\S+)\s+seconds?$/i.exec(text)
  if (interval !== null) return parseInterval(interval[1] ?? '')
  const fields = text.split(/\s+/)
  if (fields.length === 6) return invalid('cronSchedule', `"${text}" has six fields, and a schedule has five (${FIELDS}). ${INSTEAD_OF_SECONDS}`)
  if (fields.length !== 5 || text === '') return invalid('cronSchedule', `"${text}" does not have five fields (${FIELDS}), nor is it "N seconds"`)
  const cron = parseCron(text)
  if (cron === undefined) return invalid('cronSchedule', `"${text}" is not a schedule: one of its five fields (${FIELDS}) is out of range or misspelt`)
  const timing: Timing = {
    nextAfter: (instantMs) => {
      for (let wall = cron.nextRun(new Date(clock.wallOf(instantMs))); wall !== null; wall = cron.nextRun(wall)) {
        const dueMs = clock.instantOf(wall.getTime())
        if (dueMs > instantMs) return dueMs
      }
      return undefined
    },
  }
  if (timing.nextAfter(SOME_TIME_MS) === undefined) return invalid('cronSchedule', `"${text}" is a day that never comes`)
  return { status: 'valid', timing }
}

export interface DueTimes {
  /** Ascending; the last ones if there are more than the limit. */
  readonly dueMs: readonly number[]
  /** The last due time that is left out because of the limit; undefined if none is. */
  readonly leftOutThroughMs: number | undefined
}

/** The due times after one instant and through another one, at most the last `countMax`. */
export function lastDueTimes(timing: Timing, { afterMs, throughMs, countMax }: { afterMs: number; throughMs: number; countMax: number }): DueTimes {
  // From the end in growing windows, because a year of a schedule that is due each second has 30 million due times.
  for (let windowMs = FIRST_WINDOW_MS; ; windowMs *= WINDOW_GROWTH) {
    const fromMs = Math.max(afterMs, throughMs - windowMs)
    const dueMs: number[] = []
    for (let next = timing.nextAfter(fromMs); next !== undefined && next <= throughMs; next = timing.nextAfter(next)) dueMs.push(next)
    if (dueMs.length > countMax || fromMs === afterMs) return { dueMs: dueMs.slice(-countMax), leftOutThroughMs: dueMs.at(-countMax - 1) }
  }
}

function parseInterval(count: string): TimingOutcome {
  const seconds = Number(count)
  if (!/^\d{1,2}$/.test(count) || seconds < 1 || seconds > SECONDS_MAX)
    return invalid('cronSchedule', `an interval is "N seconds" with N from 1 to ${SECONDS_MAX}; for minutes and longer write cron, such as */5 * * * *`)
  const everyMs = seconds * 1_000
  return { status: 'valid', timing: { nextAfter: (instantMs) => (Math.floor(instantMs / everyMs) + 1) * everyMs } }
}

function parseCron(text: string): Cron | undefined {
  try {
    return new Cron(text, { mode: '5-part', timezone: 'UTC', paused: true })
  } catch {
    // croner has no codes for its errors; whatever it throws is about the text.
    return undefined
  }
}

function invalid(field: 'cronSchedule' | 'timezone', problem: string): TimingOutcome {
  return { status: 'invalid', field, problem }
}

const FIELDS = 'minute, hour, day of the month, month, day of the week'
const SECONDS_MAX = 59
const INSTEAD_OF_SECONDS = `Leave out the first one, the seconds; for runs more often than every minute write "N seconds", N from 1 to ${SECONDS_MAX}`
const SOME_TIME_MS = Date.UTC(2026, 0, 1)
const FIRST_WINDOW_MS = 60_000
const WINDOW_GROWTH = 4
