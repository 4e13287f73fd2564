import { USERS } from './chaos-metrics.ts'
import { dayOf } from './day-of.ts'

interface Place {
  readonly projectId: string
  /** Its own id, also that of a correction, a closing or a revert. */
  readonly eventId: string
  readonly partition: number
  readonly offset: number
}

export interface CountedEvent extends Place {
  readonly metric: string
  readonly quantity: bigint
  /** What a metric counts of which the texts are different; then the quantity is 0. */
  readonly text: string
  readonly timestampMs: number
  /** The declared labels as JSON; empty without any. */
  readonly labels: string
  /** The batch under which it was sent to replace others, or empty. */
  readonly batch: string
}

/** A correction of an event, which counts with `quantity` from then on, or not at all. */
export interface CountedCorrection extends Place {
  readonly corrects: string
  /** Undefined: the event does not count. */
  readonly quantity: bigint | undefined
}

/** A record that closes or reverts a batch. */
export interface WindowRecord extends Place {
  readonly action: 'close' | 'revert'
  readonly batch: string
  readonly metric: string
  readonly from: string
  readonly to: string
}

export interface StoredCorrection extends CountedCorrection {
  /** The number of corrections of the event so far. */
  readonly revision: number
}

export interface CountedWindow extends WindowRecord {
  /** The number of closings and reverts of the project so far. */
  readonly number: number
  readonly changes: readonly StoredCorrection[]
}

/** What the records of one project mean, in the order of their partition. Written from docs/corrections.md. */
export class FoldedProject {
  readonly events = new Map<string, CountedEvent>()
  readonly corrections = new Map<string, StoredCorrection>()
  readonly windows = new Map<string, CountedWindow>()
  /** Event id → its corrections, those of closings and reverts too. */
  readonly #states = new Map<string, StoredCorrection[]>()
  /** Metric → day → events. */
  readonly #days = new Map<string, Map<string, CountedEvent[]>>()

  /** Returns the outcome, or the reason for the rejection. */
  add(record: CountedEvent | CountedCorrection | WindowRecord): string {
    const first = this.events.get(record.eventId) ?? this.corrections.get(record.eventId) ?? this.windows.get(record.eventId)
    if ('action' in record) return this.#addWindow(record)
    if ('corrects' in record) {
      const target = this.events.get(record.corrects)
      if (target === undefined || this.#waits(target)) return 'unknown_event'
      if (first !== undefined) return isCopy(record, first) ? 'duplicate' : 'conflict'
      if (record.quantity !== undefined && target.metric === USERS) return 'invalid_value'
      this.corrections.set(record.eventId, this.#correct(record))
      return 'counted'
    }
    if (first !== undefined) return isCopy(record, first) ? 'duplicate' : 'conflict'
    if (record.batch !== '' && this.windows.has(`close-${record.batch}`)) return 'invalid_correction'
    this.events.set(record.eventId, record)
    const days = this.#days.get(record.metric) ?? new Map<string, CountedEvent[]>()
    const day = dayOf(record)
    this.#days.set(record.metric, days)
    const ofDay = days.get(day)
    if (ofDay === undefined) days.set(day, [record])
    else ofDay.push(record)
    return 'counted'
  }

  /** What an event counts; undefined if it does not. */
  quantityOf({ eventId, batch, quantity }: CountedEvent): bigint | undefined {
    const latest = this.#states.get(eventId)?.at(-1)
    if (latest !== undefined) return latest.quantity
    return batch === '' ? quantity : undefined
  }

  /** An event of a batch counts by the correction that the closing makes, and cannot be corrected before. */
  #waits({ eventId, batch }: CountedEvent): boolean {
    return batch !== '' && !this.#states.has(eventId)
  }

  #correct(correction: CountedCorrection): StoredCorrection {
    const states = this.#states.get(correction.corrects) ?? []
    const stored = { ...correction, revision: states.length + 1 }
    this.#states.set(correction.corrects, [...states, stored])
    return stored
  }

  #addWindow(record: WindowRecord): string {
    if (this.windows.has(record.eventId)) return 'duplicate'
    if (record.action === 'revert' && !this.#mayRevert(record)) return 'invalid_correction'
    const inWindow = [...(this.#days.get(record.metric) ?? [])].flatMap(([day, events]) => (day >= record.from && day <= record.to ? events : []))
    const changes = inWindow.flatMap((event) => {
      const change = record.action === 'close' ? this.#closed(event, record) : this.#reverted(event, record)
      return change === undefined ? [] : this.#correct({ ...placeOf(record), corrects: event.eventId, quantity: change.quantity })
    })
    this.windows.set(record.eventId, { ...record, number: this.windows.size + 1, changes })
    return 'counted'
  }

  /** The batch is closed, and no later closing for some of its days is in force. */
  #mayRevert({ batch, metric, from, to }: WindowRecord): boolean {
    const closing = this.windows.get(`close-${batch}`)
    if (closing === undefined) return false
    return ![...this.windows.values()].some(
      (each) =>
        each.action === 'close' &&
        each.number > closing.number &&
        each.metric === metric &&
        each.from <= to &&
        each.to >= from &&
        !this.windows.has(`revert-${each.batch}`),
    )
  }

  #closed(event: CountedEvent, { batch }: WindowRecord): Pick<CountedCorrection, 'quantity'> | undefined {
    if (event.batch === batch) return { quantity: event.quantity }
    return this.quantityOf(event) === undefined ? undefined : { quantity: undefined }
  }

  /** What the event counted right before the closing, if the closing changed it. */
  #reverted(event: CountedEvent, { batch }: WindowRecord): Pick<CountedCorrection, 'quantity'> | undefined {
    const states = this.#states.get(event.eventId) ?? []
    const at = states.findIndex(({ eventId }) => eventId === `close-${batch}`)
    if (at === -1) return undefined
    if (at > 0) return { quantity: states[at - 1]?.quantity }
    return { quantity: event.batch === '' ? event.quantity : undefined }
  }
}

function placeOf({ projectId, eventId, partition, offset }: Place): Place {
  return { projectId, eventId, partition, offset }
}

function isCopy(record: CountedEvent | CountedCorrection, first: CountedEvent | CountedCorrection | WindowRecord): boolean {
  if ('action' in first) return false
  if ('corrects' in record || 'corrects' in first)
    return 'corrects' in record && 'corrects' in first && record.corrects === first.corrects && record.quantity === first.quantity
  return record.metric === first.metric && record.quantity === first.quantity && record.text === first.text && record.batch === first.batch
}
