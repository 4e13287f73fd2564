import { METRIC_NAMES } from '../../metering/metrics.ts'
import { billionths } from './billionths.ts'
import { METRICS_OF_STATES, USERS } from './chaos-metrics.ts'
import type { CountedCorrection, CountedEvent, WindowRecord } from './folded-project.ts'
import { LABELLED_METRICS } from './generate-records.ts'
import { EXPECTED_HEADER } from './hostile-records.ts'

export interface TopicRecord {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly value: string | null
  readonly headers: ReadonlyMap<string, string>
}

/** Returns the record, or the reason for its rejection. */
export function validateRecord({
  partition,
  offset,
  value,
  timestampMs: recordMs,
  headers,
}: TopicRecord): CountedEvent | CountedCorrection | WindowRecord | string {
  // The header names the reason if the API accepted the request but rejected this event.
  const rejectedFor = headers.get('refused')
  if (rejectedFor !== undefined) return rejectedFor
  // Its emitter knows the reason. The reader of the topic cannot show every value: not all are text.
  const expected = headers.get(EXPECTED_HEADER)
  if (expected !== undefined) return expected
  const fields = parse(value ?? '')
  if (fields === undefined) return 'invalid_json'
  const { event_id: eventId, project_id: projectId, metric, value: amount, timestamp } = fields
  if (typeof eventId !== 'string' || eventId === '') return 'invalid_event'
  if (typeof projectId !== 'string' || !/^[A-Za-z0-9_.:-]{1,128}$/.test(projectId)) return 'invalid_event'
  const place = { projectId, eventId, partition, offset }
  if (fields['batch_action'] !== undefined) return { ...place, ...windowOf(fields) }
  if (typeof fields['corrects'] === 'string') {
    const { corrects, action } = fields
    if (action !== 'void' && action !== 'amend') return 'invalid_correction'
    return { ...place, corrects, quantity: action === 'void' ? undefined : billionths(String(amount)) }
  }
  if (typeof metric !== 'string' || ![...METRIC_NAMES, ...METRICS_OF_STATES].includes(metric)) return 'unknown_metric'
  const isText = metric === USERS
  if (isText ? typeof amount !== 'string' || amount === '' : !/^(0|[1-9]\d{0,28})(\.\d{1,9})?$/.test(String(amount))) return 'invalid_value'
  const timestampMs = typeof timestamp === 'string' ? timeOf(timestamp) : Number.NaN
  if (Number.isNaN(timestampMs)) return 'invalid_timestamp'
  if (timestampMs > Number(headers.get('received_ms') ?? recordMs) + FIVE_MINUTES_MS) return 'timestamp_in_future'
  const [quantity, text] = isText ? [0n, String(amount)] : [billionths(String(amount)), '']
  return { ...place, metric, quantity, text, timestampMs, labels: labelsOf(metric, fields['labels']), batch: textOf(fields['correction_batch']) }
}

/** The service alone writes such records. */
function windowOf(fields: Record<string, unknown>): Pick<WindowRecord, 'action' | 'batch' | 'metric' | 'from' | 'to'> {
  const [batch, metric, from, to] = ['correction_batch', 'metric', 'from', 'to'].map((name) => textOf(fields[name]))
  return { action: fields['batch_action'] === 'close' ? 'close' : 'revert', batch: batch ?? '', metric: metric ?? '', from: from ?? '', to: to ?? '' }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** One key is declared, for some metrics. */
function labelsOf(metric: string, sent: unknown): string {
  const { model } = (sent ?? {}) as Record<string, unknown>
  return LABELLED_METRICS.includes(metric) && typeof model === 'string' ? JSON.stringify({ model }) : ''
}

const FIVE_MINUTES_MS = 300_000

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : {}
  } catch {
    return undefined
  }
}

/** NaN for a day that does not exist, which Date would accept. */
function timeOf(timestamp: string): number {
  const day = timestamp.slice(0, 10)
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day) ? Date.parse(timestamp) : Number.NaN
}
