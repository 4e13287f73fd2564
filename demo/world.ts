import type { MetricName } from '../metering/metrics.ts'
import { MS_PER_DAY } from '../metering/timestamp.ts'
import { seededRandom } from './random.ts'

/** An event as a platform sends it. */
export interface DemoEvent {
  readonly event_id: string
  readonly project_id: string
  readonly metric: string
  readonly value: number | string
  readonly timestamp: string
}

export interface DemoProject {
  readonly id: string
  readonly size: number
  /** The day of the story after which it is deleted; it sends nothing later. */
  readonly deletedAfterDay: number | undefined
}

/** One day of the story: what is emitted, and which projects are deleted at its end. */
export interface DemoDay {
  readonly day: string
  readonly events: readonly DemoEvent[]
  /** How many of them belong to the day before. */
  readonly late: number
  /** Faulty events, as they occur on any platform. They must be sent after the day's events are counted. */
  readonly mistakes: readonly DemoEvent[]
  readonly deleted: readonly DemoProject[]
}

const DUPLICATE_SHARE = 0.01
const LATE_SHARE = 0.005
const DELETED_PROJECTS = 3
const SEED = 20260101

/** Names of projects as a partner might choose them. */
const WORDS_A = ['aurora', 'cobalt', 'ember', 'harbor', 'juniper', 'lumen', 'meadow', 'quartz']
const WORDS_B = ['shop', 'notes', 'maps', 'chat', 'desk']
export const DEMO_NAMES = WORDS_A.flatMap((first) => WORDS_B.map((second) => `${first}-${second}`))

export function makeProjects(ids: readonly string[], days: number): DemoProject[] {
  const random = seededRandom(SEED)
  return ids.map((id, index) => ({
    id,
    size: 0.3 + random() * 2,
    deletedAfterDay: index % 13 === 5 && index < 13 * DELETED_PROJECTS ? Math.floor(days * (0.4 + 0.15 * Math.floor(index / 13))) : undefined,
  }))
}

/** The days of last month and of this month, oldest first. Except for the dates it is the same every time. */
export function* storyOfDays(
  projects: readonly DemoProject[],
  { firstDayMs, nowMs, eventsWanted }: { firstDayMs: number; nowMs: number; eventsWanted: number },
): Generator<DemoDay> {
  const random = seededRandom(SEED + 1)
  const days = daysOf(projects, firstDayMs, nowMs)
  // The number of events of a project of size 1 on a day of load 1, chosen so that the total is about `eventsWanted`.
  const eventsPerUnit = eventsWanted / (1 + DUPLICATE_SHARE) / days.reduce((sum, { load, existing }) => sum + load * sizeOf(existing), 0)
  let late: DemoEvent[] = []
  for (const day of days) {
    const isLast = day.index === days.length - 1
    const fresh = day.existing.flatMap((project) => dayOfProject(project, day, { eventsPerUnit, random }))
    const [onTime, tomorrow] = split(fresh, () => !isLast && random() < LATE_SHARE)
    const again = onTime.filter(() => random() < DUPLICATE_SHARE)
    yield {
      day: new Date(day.startMs).toISOString().slice(0, 10),
      events: [...late, ...onTime, ...again],
      late: late.length,
      mistakes: isLast ? makeMistakes(onTime, day.startMs) : [],
      deleted: projects.filter(({ deletedAfterDay }) => deletedAfterDay === day.index),
    }
    late = tomorrow
  }
}

interface DayPlan {
  readonly index: number
  readonly startMs: number
  readonly endMs: number
  /** How busy the day is: less on weekends, and today only until now. */
  readonly load: number
  readonly existing: readonly DemoProject[]
}

interface DayOptions {
  readonly eventsPerUnit: number
  readonly random: () => number
}

function daysOf(projects: readonly DemoProject[], firstDayMs: number, nowMs: number): DayPlan[] {
  return Array.from({ length: Math.ceil((nowMs - firstDayMs) / MS_PER_DAY) }, (_, index) => {
    const startMs = firstDayMs + index * MS_PER_DAY
    const endMs = Math.min(startMs + MS_PER_DAY, nowMs)
    const weekday = new Date(startMs).getUTCDay()
    const load = (weekday === 0 || weekday === 6 ? 0.45 : 1.2) * ((endMs - startMs) / MS_PER_DAY)
    const existing = projects.filter(({ deletedAfterDay }) => deletedAfterDay === undefined || index <= deletedAfterDay)
    return { index, startMs, endMs, load, existing }
  })
}

function sizeOf(projects: readonly DemoProject[]): number {
  return projects.reduce((sum, { size }) => sum + size, 0)
}

function dayOfProject({ id, size }: DemoProject, { index, startMs, endMs, load }: DayPlan, { eventsPerUnit, random }: DayOptions): DemoEvent[] {
  const count = Math.max(1, Math.round(eventsPerUnit * load * size))
  return Array.from({ length: count }, (_, number) => {
    // Every day begins with a different metric, so that a demo with few events has all of them.
    const [metric, value] = sample(SHARES[(number + index) % SHARES.length] ?? 'ai_tokens', { size, index, random })
    const timestamp = new Date(startMs + Math.floor(random() * Math.max(1, endMs - startMs))).toISOString()
    return { event_id: `${metric}-${index}-${number}`, project_id: id, metric, value, timestamp }
  })
}

/** How often each metric is reported, relative to the others. */
const SHARES: readonly MetricName[] = [
  'ai_tokens',
  'egress_bytes',
  'function_calls',
  'database_size_bytes',
  'mcp_calls',
  'ai_tokens',
  'ai_credits',
  'function_calls',
  'file_storage_bytes',
  'ec2_compute',
  'email_requests',
]

function sample(metric: MetricName, { size, index, random }: { size: number; index: number; random: () => number }): [MetricName, number | string] {
  const grown = size * (1 + index * 0.012)
  const values: Record<MetricName, () => number | string> = {
    database_size_bytes: () => Math.round(grown * 900_000_000 + random() * 40_000_000),
    file_storage_bytes: () => Math.round(grown * 5_200_000_000 + random() * 300_000_000),
    ai_tokens: () => Math.round(200 + random() * 6_000 * size),
    mcp_calls: () => 1 + Math.floor(random() * 12),
    egress_bytes: () => Math.round(random() * 45_000_000 * size),
    ai_credits: () => (0.0005 + random() * 0.4).toFixed(6),
    email_requests: () => 1 + Math.floor(random() * 4),
    function_calls: () => 1 + Math.floor(random() * 90 * size),
    ec2_compute: () => 60 * (1 + Math.floor(random() * 30)),
  }
  return [metric, values[metric]()]
}

/** An unknown metric, two invalid values, an invalid timestamp, one in the future, and an id that is reused with a different value. */
function makeMistakes(events: readonly DemoEvent[], dayMs: number): DemoEvent[] {
  const [first] = events
  if (first === undefined) return []
  const base = { project_id: first.project_id, metric: 'ai_tokens', value: 1, timestamp: new Date(dayMs).toISOString() }
  return [
    { ...base, event_id: 'bad-metric', metric: 'ai_token' },
    { ...base, event_id: 'bad-value', value: -5 },
    { ...base, event_id: 'bad-decimal', value: '12,5' },
    { ...base, event_id: 'bad-timestamp', timestamp: 'yesterday' },
    { ...base, event_id: 'bad-clock', timestamp: new Date(dayMs + 9 * MS_PER_DAY).toISOString() },
    { ...first, value: 123_456_789 },
  ]
}

function split<T>(items: readonly T[], belongsRight: (item: T) => boolean): [T[], T[]] {
  const left: T[] = []
  const right: T[] = []
  for (const item of items) (belongsRight(item) ? right : left).push(item)
  return [left, right]
}
