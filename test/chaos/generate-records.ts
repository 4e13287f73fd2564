import { METRIC_NAMES } from '../../metering/metrics.ts'
import type { TestEvent } from '../support/clients/client.ts'
import type { Random } from '../support/random.ts'
import { METRICS_OF_STATES, TEXTS, USERS } from './chaos-metrics.ts'

/** A record that an emitter sends: an event, or an invalid value. */
export interface GeneratedRecord {
  readonly projectId: string
  /** null is a tombstone. */
  readonly value: string | null
  /** The event must be in raw once the record is acknowledged; undefined for an invalid value. */
  readonly eventId: string | undefined
}

/** Projects whose events are all new, of one day and of value 1, so that their total is how many of them are counted. */
export const WATCHED_PROJECTS = Array.from({ length: 12 }, (_, index) => `watched_${String(index).padStart(2, '0')}`)
export const WATCHED_DAY = '2026-03-05'
export const WATCHED_METRIC = 'ai_tokens'

/** These metrics declare the label `model`. */
export const LABELLED_METRICS: readonly string[] = ['ai_tokens', 'database_size_bytes']

export function isWatched(projectId: string): boolean {
  return projectId.startsWith('watched_')
}

const REMEMBERED_MAX = 20_000

/** A sample of the events of all emitters, so that each can repeat what another sent long ago. */
export class SentEvents {
  readonly #events: TestEvent[] = []

  remember(event: TestEvent, random: Random): void {
    if (this.#events.length < REMEMBERED_MAX) this.#events.push(event)
    else this.#events[random.below(REMEMBERED_MAX)] = event
  }

  pick(random: Random): TestEvent | undefined {
    return this.#events[random.below(Math.max(1, this.#events.length))]
  }
}

export interface RecordGeneratorOptions {
  readonly name: string
  readonly random: Random
  readonly projects: readonly string[]
  readonly sentEvents: SentEvents
  /** The timestamps are within so many months from the first of a year. */
  readonly period?: { readonly year: number; readonly months: number }
}

/**
 * Generates new events, also of watched projects, early and late copies, copies with another timestamp or number format, conflicts,
 * corrections and copies of them, and invalid values.
 */
export class RecordGenerator {
  readonly options: RecordGeneratorOptions
  #generated = 0
  #lastCorrection: GeneratedRecord | undefined

  constructor(options: RecordGeneratorOptions) {
    this.options = options
  }

  records(count: number): GeneratedRecord[] {
    return Array.from({ length: count }, () => this.#record())
  }

  /** New events of a project and metric on these days of a month. */
  eventsOf({ projectId, metric, days }: { readonly projectId: string; readonly metric: string; readonly days: readonly string[] }, count: number): TestEvent[] {
    const { random } = this.options
    return Array.from({ length: count }, () => ({
      ...{ ...this.#newEvent(), project_id: projectId, metric, value: this.#value() },
      timestamp: `${random.pick(days)}T${String(random.below(24)).padStart(2, '0')}:30:00Z`,
    }))
  }

  #record(): GeneratedRecord {
    const { random, sentEvents, projects } = this.options
    const kind = random.next()
    if (kind < INVALID_SHARE) return { projectId: random.pick(projects), value: this.#invalidValue(), eventId: undefined }
    if (kind > 1 - WATCHED_SHARE) return recordOf(this.#watchedEvent())
    const corrected = kind > 1 - WATCHED_SHARE - CORRECTION_SHARE ? sentEvents.pick(random) : undefined
    if (corrected !== undefined) return this.#correctionOf(corrected)
    const earlier = kind < INVALID_SHARE + COPY_SHARE ? sentEvents.pick(random) : undefined
    const event = earlier === undefined ? this.#newEvent() : this.#variantOf(earlier)
    if (earlier === undefined) sentEvents.remember(event, random)
    // With a value that its metric does not have it is rejected, also if the earlier one never arrived.
    const isMaybeInvalid = earlier !== undefined && (earlier.metric === USERS) !== (event.metric === USERS)
    return { ...recordOf(event), ...(isMaybeInvalid && { eventId: undefined }) }
  }

  #watchedEvent(): TestEvent {
    const { random, name } = this.options
    this.#generated += 1
    return {
      event_id: `${name}-${this.#generated}`,
      project_id: random.pick(WATCHED_PROJECTS),
      metric: WATCHED_METRIC,
      value: 1,
      timestamp: `${WATCHED_DAY}T12:00:00Z`,
    }
  }

  /** Of an event that may not be in the log yet: then it is rejected, so it need not be stored. Every fourth is a copy of the last one. */
  #correctionOf({ project_id, event_id: corrects }: TestEvent): GeneratedRecord {
    const { random, name } = this.options
    if (this.#lastCorrection !== undefined && random.below(4) === 0) return this.#lastCorrection
    this.#generated += 1
    const change = random.below(3) === 0 ? { action: 'void' } : { action: 'amend', value: this.#value() }
    const correction = { event_id: `${name}-${this.#generated}`, project_id, corrects, ...change, reason: 'chaos' }
    this.#lastCorrection = { projectId: project_id, value: JSON.stringify(correction), eventId: undefined }
    return this.#lastCorrection
  }

  #newEvent(): TestEvent {
    const { random, name, projects } = this.options
    this.#generated += 1
    const metric = random.pick(GENERATED_METRICS)
    return {
      event_id: `${name}-${this.#generated}${random.below(50) === 0 ? ' \u00fc\u{1f600}' : ''}`,
      project_id: random.pick(projects),
      metric,
      value: this.#valueOf(metric),
      timestamp: this.#timestamp(),
      ...(random.below(3) === 0 && { labels: this.#labels() }),
    }
  }

  /** With a key that no metric declares, which does not count. */
  #labels(): Record<string, string> {
    const { random } = this.options
    return { ...(random.below(4) > 0 && { model: `m"${random.below(3)}` }), ...(random.below(4) === 0 && { color: 'red' }) }
  }

  #variantOf(earlier: TestEvent): TestEvent {
    const { random } = this.options
    switch (random.below(7)) {
      case 6: // labels are no part of the identity
        return { ...earlier, labels: this.#labels() }
      case 0:
        return { ...earlier, timestamp: this.#timestamp() }
      case 1: // the same quantity in another format
        return { ...earlier, value: withOtherDigits(String(earlier.value)) }
      case 2:
        return { ...earlier, value: this.#valueOf(earlier.metric) }
      case 3: // its value may be none of the other metric
        return random.below(2) === 0 ? { ...earlier, metric: random.pick(GENERATED_METRICS) } : earlier
      default:
        return earlier
    }
  }

  #valueOf(metric: string): string | number {
    return metric === USERS ? this.options.random.pick(TEXTS) : this.#value()
  }

  #value(): string | number {
    const { random } = this.options
    const whole = random.below(1_000_000)
    switch (random.below(4)) {
      case 0:
        return whole
      case 1:
        return `${whole}${String(random.below(1_000_000_000)).padStart(9, '0')}${random.below(100_000)}.${String(1 + random.below(9)).padStart(9, '0')}`.replace(
          /^0+(?=\d)/,
          '',
        )
      default:
        return `${whole}.${1 + random.below(9)}`
    }
  }

  #timestamp(): string {
    const { random, period: { year, months } = THIS_YEAR } = this.options
    const at = new Date(Date.UTC(year, random.below(months), 1 + random.below(28), random.below(24), random.below(60)))
    return random.below(10) === 0 ? at.toISOString().replace('Z', random.below(2) === 0 ? '+05:30' : '-08:00') : at.toISOString()
  }

  #invalidValue(): string | null {
    const { random } = this.options
    const event = this.#newEvent()
    const { event_id: _, ...nameless } = event
    return random.pick([
      '{"event_id": "cut off',
      '',
      null,
      '[1,2]',
      JSON.stringify(nameless),
      JSON.stringify({ ...event, project_id: 'no such/project' }),
      JSON.stringify({ ...event, metric: 'coffee' }),
      JSON.stringify({ ...event, value: '-1' }),
      JSON.stringify({ ...event, value: '1e3' }),
      JSON.stringify({ ...event, timestamp: '2026-02-30T00:00:00Z' }),
      JSON.stringify({ ...event, timestamp: new Date(Date.now() + 86_400_000).toISOString() }),
    ])
  }
}

/** Writes the same quantity with another number of digits, of which at most 9 may follow the point. */
function withOtherDigits(value: string): string {
  const [, fraction] = value.split('.')
  if (fraction === undefined) return `${value}.0`
  return fraction.length < 9 ? `${value}0` : value
}

export function recordOf(event: TestEvent): GeneratedRecord {
  return { projectId: event.project_id, value: JSON.stringify(event), eventId: event.event_id }
}

/** Those of the kinds `last` and `unique` more often: their states are a write of their own. */
const GENERATED_METRICS = [...METRIC_NAMES, ...METRICS_OF_STATES, ...METRICS_OF_STATES]
const THIS_YEAR = { year: 2026, months: 5 }
const INVALID_SHARE = 0.03
const WATCHED_SHARE = 0.05
const COPY_SHARE = 0.22
const CORRECTION_SHARE = 0.05
