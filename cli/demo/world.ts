import type { MetricName } from '../../metering/metrics.ts'
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
  /** It is deleted after this day of the story, and sends nothing later. */
  readonly deletedAfterDay: number | undefined
}

/** One day of the story: what is emitted, and which projects are deleted at its end. */
export interface DemoDay {
  readonly day: string
  readonly events: readonly DemoEvent[]
  readonly deleted: readonly DemoProject[]
}

const MS_PER_DAY = 86_400_000
const DUPLICATE_SHARE = 0.01
const LATE_SHARE = 0.005
const DELETED_PROJECTS = 3
const SEED = 20260101

/** Names a partner might give; the ids are what the platform gave. */
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

/** The past month and the current days, oldest first. The same every time, but for the dates. */
export function* tellStory(
  projects: readonly DemoProject[],
  { firstDayMs, nowMs, eventsWanted }: { firstDayMs: number; nowMs: number; eventsWanted: number },
): Generator<DemoDay> {
  const random = seededRandom(SEED + 1)
  const days = Math.ceil((nowMs - firstDayMs) / MS_PER_DAY)
  const perSizeAndDay = eventsWanted / (days * projects.reduce((sum, { size }) => sum + size, 0))
  let late: DemoEvent[] = []
  for (let index = 0; index < days; index += 1) {
    const startMs = firstDayMs + index * MS_PER_DAY
    const living = projects.filter(({ deletedAfterDay }) => deletedAfterDay === undefined || index <= deletedAfterDay)
    const fresh = living.flatMap((project) => dayOfProject(project, { startMs, endMs: Math.min(startMs + MS_PER_DAY, nowMs), index, perSizeAndDay, random }))
    const [onTime, tomorrow] = split(fresh, () => index < days - 1 && random() < LATE_SHARE)
    const again = onTime.filter(() => random() < DUPLICATE_SHARE)
    const events = [...late, ...onTime, ...again, ...(index === days - 1 ? mistakes(projects, onTime, startMs) : [])]
    late = tomorrow
    yield { day: new Date(startMs).toISOString().slice(0, 10), events, deleted: projects.filter(({ deletedAfterDay }) => deletedAfterDay === index) }
  }
}

interface DayOptions {
  readonly startMs: number
  readonly endMs: number
  readonly index: number
  readonly perSizeAndDay: number
  readonly random: () => number
}

function dayOfProject({ id, size }: DemoProject, { startMs, endMs, index, perSizeAndDay, random }: DayOptions): DemoEvent[] {
  const weekday = new Date(startMs).getUTCDay()
  const busy = weekday === 0 || weekday === 6 ? 0.45 : 1.2
  const count = Math.max(1, Math.round(perSizeAndDay * busy * size))
  return Array.from({ length: count }, (_, number) => {
    const [metric, value] = sample(SHARES[number % SHARES.length] ?? 'ai_tokens', { size, index, random })
    const timestamp = new Date(startMs + Math.floor(random() * Math.max(1, endMs - startMs))).toISOString()
    return { event_id: `${metric}-${index}-${number}`, project_id: id, metric, value, timestamp }
  })
}

/** How often each metric is reported: storage is sampled, calls are many. */
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

/** What goes wrong on any platform: a wrong metric, a wrong value, a clock ahead, and an id used for another amount. */
function mistakes(projects: readonly DemoProject[], events: readonly DemoEvent[], dayMs: number): DemoEvent[] {
  const [project] = projects
  const [first] = events
  if (project === undefined || first === undefined) return []
  const base = { project_id: project.id, metric: 'ai_tokens', value: 1, timestamp: new Date(dayMs).toISOString() }
  return [
    { ...base, event_id: 'bad-metric', metric: 'ai_token' },
    { ...base, event_id: 'bad-value', value: -5 },
    { ...base, event_id: 'bad-clock', timestamp: new Date(dayMs + 9 * MS_PER_DAY).toISOString() },
    { ...first, value: 123_456_789 },
  ]
}

function split<T>(items: readonly T[], goesRight: (item: T) => boolean): [T[], T[]] {
  const left: T[] = []
  const right: T[] = []
  for (const item of items) (goesRight(item) ? right : left).push(item)
  return [left, right]
}
