import { isReservedProjectId, RESERVED_PROJECT_IDS, TIMESTAMP_AHEAD_MS_MAX, type UsageEvent } from '../../metering/event.ts'
import type { Receipt, SentFields } from '../../metering/event-steps.ts'
import { DOCUMENTED_METRICS } from '../../metering/metrics.ts'
import { NumberToken, type Quantity } from '../../metering/quantity.ts'
import type { JsonBytes } from './read-members.ts'
import { RepeatedTexts } from './repeated-texts.ts'
import { CanonicalScan } from './scan-canonical.ts'

/**
 * The fields of an event of a request that was sent in the canonical form (scan-canonical.ts), with what the steps of validation would parse
 * again. A copy with other fields is an ordinary object, so it passes all the steps.
 */
export class CanonicalFields implements SentFields {
  readonly event_id: string
  readonly project_id: string
  readonly metric: string
  readonly value: string | NumberToken
  readonly timestamp: string
  readonly #quantity: Quantity
  readonly #timestampMs: number

  constructor(text: string, scanned: CanonicalScan) {
    this.event_id = text.slice(scanned.eventIdStart, scanned.eventIdEnd)
    this.project_id = text.slice(scanned.projectIdStart, scanned.projectIdEnd)
    this.metric = text.slice(scanned.metricStart, scanned.metricEnd)
    this.#quantity = text.slice(scanned.valueStart, scanned.valueEnd)
    this.value = scanned.isNumber ? new NumberToken(this.#quantity) : this.#quantity
    this.timestamp = text.slice(scanned.timestampStart, scanned.timestampEnd)
    this.#timestampMs = scanned.timestampMs
  }

  /** The event, if it is certainly valid for this receipt. */
  toEvent(receipt: Receipt): UsageEvent | undefined {
    return requireCounted(
      { projectId: this.project_id, eventId: this.event_id, metric: this.metric, value: this.#quantity, timestampMs: this.#timestampMs },
      receipt,
    )
  }
}

/** The fields of the event at `start` and the position behind it, if it has the canonical form. */
export function readCanonicalFields({ bytes, text }: JsonBytes, start: number): { end: number; fields: CanonicalFields; format: 'json' } | undefined {
  const end = scanned.scan(bytes, start)
  return end === -1 ? undefined : { end, fields: new CanonicalFields(text, scanned), format: 'json' }
}

/** The event between two positions, if these bytes have the canonical form and it is certainly valid for this receipt. */
export function readCanonicalEvent(json: JsonBytes, { start, end }: { start: number; end: number }, receipt: Receipt): UsageEvent | undefined {
  const { bytes } = json
  if (scanned.scan(bytes, start) !== end) return undefined
  const { text } = json
  const event = {
    projectId: text.slice(scanned.projectIdStart, scanned.projectIdEnd),
    eventId: text.slice(scanned.eventIdStart, scanned.eventIdEnd),
    metric: metrics.at(bytes, scanned.metricStart, scanned.metricEnd),
    value: text.slice(scanned.valueStart, scanned.valueEnd),
    timestampMs: scanned.timestampMs,
  }
  return requireCounted(event, receipt)
}

const scanned = new CanonicalScan()
const metrics = new RepeatedTexts()

/** What the form does not tell. Metrics whose events have no number are left to the steps, as are events that they reject. */
function requireCounted(event: UsageEvent, { receivedMs, metrics = DOCUMENTED_METRICS }: Receipt): UsageEvent | undefined {
  const { projectId, metric, timestampMs } = event
  const kind = metrics.kindOf(metric)
  if (kind !== 'peak' && kind !== 'cumulative') return undefined
  if (projectId.length <= RESERVED_CHARACTERS_MAX && isReservedProjectId(projectId)) return undefined
  return timestampMs > receivedMs + TIMESTAMP_AHEAD_MS_MAX ? undefined : event
}

const RESERVED_CHARACTERS_MAX = Math.max(...RESERVED_PROJECT_IDS.map(({ length }) => length))
