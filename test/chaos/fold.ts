import { Partitioners } from 'kafkajs'
import { type CountedEvent, type CountedWindow, FoldedProject } from './folded-project.ts'
import { type TopicRecord, validateRecord } from './validate-record.ts'

export interface Fold {
  readonly projects: ReadonlyMap<string, FoldedProject>
  /** partition → offset → reason. */
  readonly rejected: ReadonlyMap<number, ReadonlyMap<number, string>>
  readonly duplicates: number
  /** Records that were forwarded from a wrong partition. */
  readonly copies: number
  /** Misrouted records without a forwarded copy in the partition of their project. */
  readonly notForwarded: readonly TopicRecord[]
  /** Valid events except forwarded copies, including duplicates: what a consumer counts that detects no duplicates. */
  readonly withDuplicates: readonly CountedEvent[]
}

/**
 * Computes what must be counted and rejected. It is written from the contract and shares no code with ingest/, so that both cannot
 * make the same error. Takes the records of each partition in their order.
 */
export function foldTopic(records: readonly TopicRecord[], partitions: number): Fold {
  const projects = new Map<string, FoldedProject>()
  const rejected = new Map(Array.from({ length: partitions }, (_, partition) => [partition, new Map<number, string>()]))
  const forwarded = new Set(records.flatMap(({ headers }) => headers.get('passed_from')?.replace(/^.*\/(\d+@\d+)$/, '$1') ?? []))
  const notForwarded: TopicRecord[] = []
  const withDuplicates: CountedEvent[] = []
  let duplicates = 0
  for (const record of records) {
    const valid = validateRecord(record)
    if (typeof valid === 'string') {
      rejected.get(record.partition)?.set(record.offset, valid)
      continue
    }
    if ('text' in valid && !record.headers.has('passed_from')) withDuplicates.push(valid)
    if (ownPartition(valid.projectId, partitions) !== record.partition) {
      if (!forwarded.has(`${record.partition}@${record.offset}`)) notForwarded.push(record)
      continue
    }
    const project = projects.get(valid.projectId) ?? new FoldedProject()
    projects.set(valid.projectId, project)
    const outcome = project.add(valid)
    if (outcome === 'duplicate') duplicates += 1
    else if (outcome !== 'counted') rejected.get(record.partition)?.set(record.offset, outcome)
  }
  const copies = records.filter(({ headers }) => headers.has('passed_from')).length
  return { projects, rejected, duplicates, copies, notForwarded, withDuplicates }
}

/** The events that are stored, as they were sent. */
export function sentEvents({ projects }: Fold): CountedEvent[] {
  return [...projects.values()].flatMap(({ events }) => [...events.values()])
}

/** The records that closed and reverted batches. */
export function windowsOf({ projects }: Fold): CountedWindow[] {
  return [...projects.values()].flatMap(({ windows }) => [...windows.values()])
}

/** The events that count, with the quantity that counts. */
export function effectiveEvents({ projects }: Fold): CountedEvent[] {
  return [...projects.values()].flatMap((project) =>
    [...project.events.values()].flatMap((event) => {
      const quantity = project.quantityOf(event)
      return quantity === undefined ? [] : { ...event, quantity }
    }),
  )
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
