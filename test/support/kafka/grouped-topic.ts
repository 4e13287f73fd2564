import type { GroupReader, ReadHandlers, Topic } from '../../../ingest/kafka/topic.ts'
import { MemoryTopic } from './memory-topic.ts'

const POLL_MS = 5
const BATCH_RECORDS_MAX = 100

export interface PlayedGroup {
  /** Nothing is fetched from these partitions until the member joins again. */
  readonly unheard: Set<number>
  joins: number
}

/** A topic in memory with a consumer group of one member, which gets all partitions and their records. */
export function openGroupedTopic(name: string, partitions: number): { topic: MemoryTopic; group: PlayedGroup; full: Topic } {
  const topic = new MemoryTopic(name, partitions)
  const group: PlayedGroup = { unheard: new Set(), joins: 0 }
  const read = async (handlers: ReadHandlers) => openMember(topic, group, handlers)
  return { topic, group, full: Object.assign(topic, { read }) as unknown as Topic }
}

function openMember(topic: MemoryTopic, group: PlayedGroup, handlers: ReadHandlers): GroupReader {
  const next = new Map<number, number>()
  const paused = new Set<number>()
  let stopped = false
  const join = () => {
    group.joins += 1
    group.unheard.clear()
    handlers.onAssigned([...topic.partitions.keys()])
  }
  const deliver = async (partition: number) => {
    while (!stopped) {
      const isSilent = paused.has(partition) || group.unheard.has(partition)
      const batch = isSilent ? undefined : topic.fetch(partition, next.get(partition) ?? 0, BATCH_RECORDS_MAX)
      const resolve = (offset: number) => void next.set(partition, offset + 1)
      if (batch === undefined) await new Promise((resolved) => setTimeout(resolved, POLL_MS))
      else await handlers.onBatch(batch, { heartbeat: async () => {}, resolve })
    }
  }
  setTimeout(join)
  for (const partition of topic.partitions.keys()) void deliver(partition)
  return {
    seek: (partition, offset) => void next.set(partition, offset),
    pause: (partition) => void paused.add(partition),
    resume: (partition) => void paused.delete(partition),
    rejoin: join,
    commit: async () => {},
    stop: async () => {
      stopped = true
    },
  }
}
