import { METRIC_NAMES, type MetricName } from '../metering/metrics.ts'

/** Event number n is the same in every process, so that HTTP sends what the baseline inserts. */
export interface MadeEvent {
  readonly event_id: string
  readonly project_id: string
  readonly metric: MetricName
  readonly value: string
  readonly timestamp: string
}

export function makeEvent(number: number): MadeEvent {
  const [a, b] = [mix(number, 0x9e3779b9), mix(number, 0x85ebca6b)]
  return {
    event_id: `${hex(a)}${hex(b)}${hex(mix(number, 0x2545f491))}${hex(number)}`,
    project_id: `prj_${String(b % PROJECTS).padStart(5, '0')}`,
    metric: METRIC_NAMES[a % METRIC_NAMES.length] ?? 'ai_tokens',
    value: a % 2 === 0 ? String(b % 1_000_000) : `${b % 10_000}.${1 + (a % 9)}`,
    timestamp: new Date(FIRST_MS + (number % SPAN_MS)).toISOString(),
  }
}

/** The same for a topic: ids in the form that emitters and the registry create, 185 bytes on average as JSON, for 5,000 projects of one partner. All are of one hour, or of a day after another. */
export function makeTopicEvent(number: number, eventsPerDay = Number.POSITIVE_INFINITY): MadeEvent {
  const { event_id, timestamp, ...event } = makeEvent(number)
  const day = new Date(Date.parse(timestamp) + Math.floor(number / eventsPerDay) * DAY_MS)
  return { event_id: uuid(event_id), ...event, timestamp: day.toISOString(), project_id: TOPIC_PROJECTS[mix(number, 0x27d4eb2f) % TOPIC_PROJECTS.length] ?? '' }
}

/** The body of a request with `count` events, beginning with number `first`. */
export function makeNdjson(first: number, count: number): Buffer {
  const lines: string[] = []
  for (let number = first; number < first + count; number += 1) lines.push(JSON.stringify(makeEvent(number)))
  return Buffer.from(`${lines.join('\n')}\n`, 'utf8')
}

const PROJECTS = 10_000
/** All timestamps are within one hour, like events that are sent as they happen. */
const FIRST_MS = Date.UTC(2026, 0, 15, 12)
const SPAN_MS = 3_600_000
const DAY_MS = 86_400_000

/** Hashes consecutive numbers, so that they are spread like random ids. */
function mix(number: number, salt: number): number {
  let mixed = Math.imul(number ^ salt, 0xcc9e2d51)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x1b873593)
  return (mixed ^ (mixed >>> 13)) >>> 0
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}

function uuid(digits: string): string {
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`
}

/** The projects of the events of a topic. */
export const TOPIC_PROJECTS: readonly string[] = Array.from({ length: 5_000 }, (_, project) =>
  uuid([1, 2, 3, 4].map((salt) => hex(mix(project, salt * 0x9e3779b1))).join('')),
)
