import type { Correction } from '../../metering/correction.ts'
import { isProjectId, type UsageEvent } from '../../metering/event.ts'
import { DOCUMENTED_METRICS, type MetricKinds } from '../../metering/metrics.ts'
import { partitionOfProject } from '../../metering/project-partition.ts'
import { isRejectReason } from '../../metering/rejection-reasons.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { windowRecordText } from '../../metering/window-record.ts'
import type { Arrival } from '../event/arrival.ts'
import { readCanonicalEvent } from '../event/canonical-event.ts'
import { CLOUD_EVENT_ATTRIBUTES } from '../event/cloud-event.ts'
import { decodeBinaryCloudEvent, decodeEvent } from '../event/decode-body.ts'
import type { KnownMetrics } from '../event/known-metrics.ts'
import { identityOf, rejectArrival, type ValidatedEvent, validateEvent } from '../event/pipeline.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { areBatchesTraced } from '../log/trace-batch.ts'
import { BatchRecord } from './batch-record.ts'
import { Incident } from './incident.ts'
import { readTimeOfReceipt, type TimeOfReceipt } from './time-of-receipt.ts'
import type { FetchedRecord, NewRecord } from './topic.ts'

/**
 * The headers of a record. Records of other producers have none; such a record was received at its own timestamp. `refused` is the
 * reason for which the api rejected the event, `refused_message` the message for it.
 */
const HEADERS = { receivedMs: 'received_ms', ingestKey: 'ingest_key', refused: 'refused', message: 'refused_message', passedFrom: 'passed_from' } as const
/** Of W3C Trace Context. It is for traces alone: nothing that counts depends on it. */
const TRACEPARENT = 'traceparent'

/**
 * Decodes and validates a record. It is a pure function of the record and of the metrics that are defined, so every process that reads it,
 * at any time, gets the same result, except that the metric of a rejected event may be defined later (log/reconcile.ts).
 * Throws Incident if it stands for a batch that cannot be read.
 */
export function readRecord(record: FetchedRecord, log: string, metrics?: MetricKinds): LogRecord {
  return (record instanceof BatchRecord ? readCanonicalRecord(record, log, metrics) : undefined) ?? readAnyRecord(record, log, metrics)
}

/**
 * The record of an event in the canonical form, if it is certainly valid: its bytes are scanned once. Every other record is read as the
 * general reader does, which defines the result.
 */
function readCanonicalRecord(record: BatchRecord, log: string, metrics: MetricKinds = DOCUMENTED_METRICS): LogRecord | undefined {
  const { headers, batch, valueStart: start, valueEnd: end } = record
  if (start === -1 || !isPlain(headers)) return undefined
  const { receivedMs, problem } = readTimeOfReceipt(header(headers, HEADERS.receivedMs) ?? record.timestampMs)
  const event = problem === undefined ? readCanonicalEvent(batch, { start, end }, { receivedMs, metrics }) : undefined
  if (event === undefined) return undefined
  return {
    log,
    offset: record.offsetNumber,
    validated: new CanonicalOfBatch(event, record),
    receivedMs,
    ingestKeyId: header(headers, HEADERS.ingestKey) ?? '',
    traceparent: areBatchesTraced() ? readTraceparent(headers) : undefined,
  }
}

/** One object for each event: a batch has 100,000 of them in memory. */
class CanonicalOfBatch {
  readonly status = 'valid'
  readonly index = 0
  readonly format = 'json'
  readonly event: UsageEvent
  readonly #record: BatchRecord

  constructor(event: UsageEvent, record: BatchRecord) {
    this.event = event
    this.#record = record
  }

  original(): Buffer {
    const { batch, valueStart, valueEnd } = this.#record
    return batch.bytes.subarray(valueStart, valueEnd)
  }
}

/** Whether nothing is said of the record but when and by which key it was received: it is no CloudEvent, and was not rejected. */
function isPlain(headers: FetchedRecord['headers']): boolean {
  if (headers === undefined) return true
  const isOther = headers[HEADERS.refused] !== undefined || headers[CONTENT_TYPE] !== undefined
  return !isOther && !CLOUD_EVENT_ATTRIBUTES.some((name) => headers[`ce_${name}`] !== undefined)
}

function readAnyRecord({ offset, timestamp, value, headers, unreadable }: FetchedRecord, log: string, metrics?: MetricKinds): LogRecord {
  if (unreadable !== undefined) throw new Incident('unreadable', log, `offsets ${unreadable.first} to ${offset}: ${unreadable.reason}`)
  const time = readTimeOfReceipt(header(headers, HEADERS.receivedMs) ?? timestamp)
  const ingestKeyId = header(headers, HEADERS.ingestKey) ?? ''
  return {
    log,
    offset: Number(offset),
    validated: validateArrival(decodeRecord(value ?? NOTHING, headers), time, { headers, metrics }),
    receivedMs: time.receivedMs,
    ingestKeyId,
    traceparent: areBatchesTraced() ? readTraceparent(headers) : undefined,
  }
}

/**
 * Reads the records of one batch that was fetched. At its first event of an unknown metric the catalogue is read again: everything that
 * was defined before the batch was fetched is known then. Likewise at its first unknown label, unless the catalogue was read a moment ago.
 * Throws Incident; what it returns then rejects with StoreError.
 */
export function batchReader(log: string, metrics: KnownMetrics | undefined): (record: FetchedRecord) => LogRecord | Promise<LogRecord> {
  if (metrics === undefined) return (record) => readRecord(record, log)
  let isCurrent = false
  return (record) => {
    const known = readRecord(record, log, metrics)
    if (isCurrent || !metrics.mayBeOutdatedFor(known.validated)) return noted(known, metrics)
    isCurrent = true
    return metrics.refresh().then(() => noted(readRecord(record, log, metrics), metrics))
  }
}

function noted(record: LogRecord, metrics: KnownMetrics): LogRecord {
  metrics.noteIgnoredLabels(record.validated)
  return record
}

export interface ReceivedRecord {
  readonly ingestKeyId: string
  readonly receivedMs: number
  readonly traceparent?: string | undefined
}

/** The partition to which an event is produced: its project's own, or the first one if it does not name a project. */
export function partitionOfEvent(validated: ValidatedEvent, partitions: number): number {
  const { projectId } = identityOf(validated)
  return isProjectId(projectId) ? partitionOfProject(projectId, partitions) : 0
}

/** The record of an event that the api has validated. Rejected events are produced too, so that they are kept (P7). */
export function recordOfEvent(validated: ValidatedEvent, received: ReceivedRecord, partition: number): NewRecord {
  const headers = commonHeaders(received)
  if (validated.status === 'rejected') {
    const { reason, message } = validated.rejection
    return {
      partition,
      key: validated.projectId,
      value: validated.original(),
      headers: { ...headers, ...formatHeader(validated), [HEADERS.refused]: reason, [HEADERS.message]: message },
    }
  }
  if (validated.status === 'correction') return { partition, key: validated.correction.projectId, value: correctionText(validated.correction), headers }
  if (validated.status === 'window') return { partition, key: validated.window.projectId, value: windowRecordText(validated.window), headers }
  const { eventId, projectId, metric, value, text, timestampMs, labels, correctionBatch } = validated.event
  const event = {
    event_id: eventId,
    project_id: projectId,
    metric,
    value: text ?? value,
    timestamp: formatTimestamp(timestampMs),
    ...(labels && { labels: JSON.parse(labels) }),
    ...(correctionBatch && { correction_batch: correctionBatch }),
  }
  return { partition, key: projectId, value: JSON.stringify(event), headers }
}

function correctionText({ eventId, projectId, corrects, action, value, reason }: Correction): string {
  return JSON.stringify({ event_id: eventId, project_id: projectId, corrects, action, ...(action === 'amend' && { value }), reason })
}

/** The copy of a misrouted event for its project's own partition. It keeps the time at which the event was received. */
export function recordToForward(record: LogRecord, projectId: string, partition: number): NewRecord {
  const { validated, log, offset } = record
  const headers = { ...commonHeaders(record), [HEADERS.passedFrom]: `${log}@${offset}`, ...formatHeader(validated) }
  return { partition, key: projectId, value: validated.original(), headers }
}

function commonHeaders({ receivedMs, ingestKeyId, traceparent }: ReceivedRecord): Record<string, string> {
  const headers = { [HEADERS.receivedMs]: String(receivedMs), [HEADERS.ingestKey]: ingestKeyId }
  return traceparent === undefined ? headers : { ...headers, [TRACEPARENT]: traceparent }
}

const NOTHING = Buffer.alloc(0)

/** The format of the value in the terms of CloudEvents' binding for Kafka. The bytes that are kept of an event are always in structured mode. */
function formatHeader({ format }: ValidatedEvent): Record<string, string> {
  return format === 'cloudevent' ? { [CONTENT_TYPE]: STRUCTURED } : {}
}

/** Structured mode is declared by the content type, binary mode has its attributes in ce_ headers; else the value is the event itself. */
function decodeRecord(value: Buffer, headers: FetchedRecord['headers']): Arrival {
  if (headers === undefined) return decodeEvent(value)
  if (header(headers, CONTENT_TYPE)?.toLowerCase().startsWith(STRUCTURED) === true) return decodeEvent(value, 'cloudevent')
  if (!CLOUD_EVENT_ATTRIBUTES.some((name) => headers[`ce_${name}`] !== undefined)) return decodeEvent(value)
  return decodeBinaryCloudEvent(Object.fromEntries(CLOUD_EVENT_ATTRIBUTES.map((name) => [name, header(headers, `ce_${name}`)])), value)
}

const CONTENT_TYPE = 'content-type'
const STRUCTURED = 'application/cloudevents+json'

function validateArrival(
  arrival: Arrival,
  { receivedMs, problem }: TimeOfReceipt,
  { headers, metrics }: { readonly headers: FetchedRecord['headers']; readonly metrics: MetricKinds | undefined },
): ValidatedEvent {
  const reason = header(headers, HEADERS.refused)
  if (reason !== undefined && isRejectReason(reason)) return rejectArrival(arrival, { reason, message: header(headers, HEADERS.message) ?? '' })
  if (problem !== undefined) return rejectArrival(arrival, problem)
  // The scope of an ingest key is checked before the event is produced; other producers have no key.
  return validateEvent(arrival, { receivedMs, receivedAsRecord: true, allowedProjects: 'all', allowsBatches: true, ...(metrics && { metrics }) })
}

/** Undefined for one that is too long to be valid: forwarded copies get it too, and must not grow by what somebody put there. */
function readTraceparent(headers: FetchedRecord['headers']): string | undefined {
  const text = header(headers, TRACEPARENT)
  return text !== undefined && text.length <= TRACEPARENT_CHARACTERS_MAX ? text : undefined
}

/** The present version has 55; later ones may be longer. */
const TRACEPARENT_CHARACTERS_MAX = 128

function header(headers: FetchedRecord['headers'], name: string): string | undefined {
  const value = headers?.[name]
  if (Buffer.isBuffer(value)) return value.toString('utf8')
  return typeof value === 'string' ? value : undefined
}
