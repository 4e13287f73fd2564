import { Partitioners } from 'kafkajs'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import { billionths } from './billionths.ts'
import { LABELLED_METRICS } from './generate-records.ts'
import { EXPECTED_HEADER } from './hostile-records.ts'

export interface TopicRecord {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly value: string | null
  readonly headers: ReadonlyMap<string, string>
}

export interface CountedEvent {
  readonly projectId: string
  readonly eventId: string
  readonly metric: string
  readonly quantity: bigint
  readonly timestampMs: number
  /** The declared labels as JSON; empty without any. */
  readonly labels: string
  readonly partition: number
  readonly offset: number
}

/** A correction of an event, which counts with `quantity` from then on, or not at all. */
export interface CountedCorrection {
  readonly projectId: string
  readonly eventId: string
  readonly corrects: string
  /** Undefined: the event does not count. */
  readonly quantity: bigint | undefined
  readonly partition: number
  readonly offset: number
}

export interface Fold {
  /** project → event id → the event that must be counted. */
  readonly counted: ReadonlyMap<string, ReadonlyMap<string, CountedEvent>>
  /** project → id → the correction that must be stored. */
  readonly corrections: ReadonlyMap<string, ReadonlyMap<string, CountedCorrection>>
  /** project → event id → the latest correction of the event. */
  readonly latest: ReadonlyMap<string, ReadonlyMap<string, CountedCorrection>>
  /** partition → offset → reason. */
  readonly rejected: ReadonlyMap<number, ReadonlyMap<number, string>>
  readonly duplicates: number
  /** Records that were forwarded from a wrong partition. */
  readonly copies: number
  /** Misrouted records without a forwarded copy in the partition of their project. */
  readonly notForwarded: readonly TopicRecord[]
  /** Valid records except forwarded copies, including duplicates: what a consumer counts that detects no duplicates. */
  readonly withDuplicates: readonly CountedEvent[]
}

/**
 * Computes what must be counted and rejected. It is written from the contract and shares no code with ingest/, so that both cannot
 * make the same error. Takes the records of each partition in their order.
 */
export function foldTopic(records: readonly TopicRecord[], partitions: number): Fold {
  const counted = new Map<string, Map<string, CountedEvent>>()
  const corrections = new Map<string, Map<string, CountedCorrection>>()
  const latest = new Map<string, Map<string, CountedCorrection>>()
  const rejected = new Map(Array.from({ length: partitions }, (_, partition) => [partition, new Map<number, string>()]))
  const forwarded = new Set(records.flatMap(({ headers }) => headers.get('passed_from')?.replace(/^.*\/(\d+@\d+)$/, '$1') ?? []))
  const notForwarded: TopicRecord[] = []
  const withDuplicates: CountedEvent[] = []
  let duplicates = 0
  for (const record of records) {
    const event = validateRecord(record)
    if (typeof event === 'string') {
      rejected.get(record.partition)?.set(record.offset, event)
      continue
    }
    if (!('corrects' in event) && !record.headers.has('passed_from')) withDuplicates.push(event)
    if (ownPartition(event.projectId, partitions) !== record.partition) {
      if (!forwarded.has(`${record.partition}@${record.offset}`)) notForwarded.push(record)
      continue
    }
    const events = within(counted, event.projectId)
    const correctionsOfProject = within(corrections, event.projectId)
    const first = events.get(event.eventId) ?? correctionsOfProject.get(event.eventId)
    if ('corrects' in event && !events.has(event.corrects)) rejected.get(record.partition)?.set(record.offset, 'unknown_event')
    else if (first !== undefined && isCopy(event, first)) duplicates += 1
    else if (first === undefined && 'corrects' in event) {
      correctionsOfProject.set(event.eventId, event)
      within(latest, event.projectId).set(event.corrects, event)
    } else if (first === undefined && !('corrects' in event)) events.set(event.eventId, event)
    else rejected.get(record.partition)?.set(record.offset, 'conflict')
  }
  const copies = records.filter(({ headers }) => headers.has('passed_from')).length
  return { counted, corrections, latest, rejected, duplicates, copies, notForwarded, withDuplicates }
}

/** The events that count, with the quantity that counts. */
export function effectiveEvents({ counted, latest }: Fold): CountedEvent[] {
  return [...counted].flatMap(([project, events]) =>
    [...events.values()].flatMap((event) => {
      const correction = latest.get(project)?.get(event.eventId)
      if (correction === undefined) return event
      return correction.quantity === undefined ? [] : { ...event, quantity: correction.quantity }
    }),
  )
}

function within<T>(all: Map<string, Map<string, T>>, project: string): Map<string, T> {
  const ofProject = all.get(project) ?? new Map<string, T>()
  all.set(project, ofProject)
  return ofProject
}

function isCopy(record: CountedEvent | CountedCorrection, first: CountedEvent | CountedCorrection): boolean {
  if (record.quantity !== first.quantity) return false
  if ('corrects' in record || 'corrects' in first) return 'corrects' in record && 'corrects' in first && record.corrects === first.corrects
  return record.metric === first.metric
}

/** Returns the event or correction, or the reason for its rejection. */
function validateRecord({ partition, offset, value, timestampMs: recordMs, headers }: TopicRecord): CountedEvent | CountedCorrection | string {
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
  if (typeof fields['corrects'] === 'string') {
    const { corrects, action } = fields
    if (action !== 'void' && action !== 'amend') return 'invalid_correction'
    return { projectId, eventId, corrects, quantity: action === 'void' ? undefined : billionths(String(amount)), partition, offset }
  }
  if (typeof metric !== 'string' || !METRIC_NAMES.some((name) => name === metric)) return 'unknown_metric'
  if (!/^(0|[1-9]\d{0,28})(\.\d{1,9})?$/.test(String(amount))) return 'invalid_value'
  const timestampMs = typeof timestamp === 'string' ? timeOf(timestamp) : Number.NaN
  if (Number.isNaN(timestampMs)) return 'invalid_timestamp'
  if (timestampMs > Number(headers.get('received_ms') ?? recordMs) + FIVE_MINUTES_MS) return 'timestamp_in_future'
  return { projectId, eventId, metric, quantity: billionths(String(amount)), timestampMs, labels: labelsOf(metric, fields['labels']), partition, offset }
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

const partitioner = Partitioners.DefaultPartitioner()
const partitionByProject = new Map<string, number>()

/** The partition that the producer of kafkajs chooses, by its own murmur2. */
function ownPartition(projectId: string, partitions: number): number {
  const cached = partitionByProject.get(projectId)
  if (cached !== undefined) return cached
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 1, replicas: [1], isr: [1] }))
  const partition = partitioner({ topic: '', partitionMetadata, message: { key: projectId, value: null } })
  partitionByProject.set(projectId, partition)
  return partition
}
