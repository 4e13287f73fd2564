import { setTimeout as sleep } from 'node:timers/promises'
import type { BatchControl, ReadHandlers, Topic } from '../../../ingest/kafka/topic.ts'
import type { MemoryTopic } from './memory-topic.ts'

/** A consumer group of one member over a topic in memory. The test decides which partitions the member gets, and when. */
export interface MemoryGroup {
  readonly topic: Topic
  assign(partitions: readonly number[]): void
}

const BATCH_RECORDS = 100
const FETCH_EVERY_MS = 5

export function memoryGroup(topic: MemoryTopic): MemoryGroup {
  let handlers: ReadHandlers | undefined
  const positions = new Map<number, number>()
  const paused = new Set<number>()
  let stopped = false
  const fetch = async (reading: ReadHandlers) => {
    while (!stopped) {
      for (const [partition, next] of positions) {
        const batch = paused.has(partition) ? undefined : topic.fetch(partition, next, BATCH_RECORDS)
        const control: BatchControl = { heartbeat: async () => {}, resolve: (offset) => void positions.set(partition, offset + 1) }
        if (batch !== undefined) await reading.onBatch(batch, control)
      }
      await sleep(FETCH_EVERY_MS)
    }
  }
  const read: Topic['read'] = async (reading) => {
    handlers = reading
    void fetch(reading)
    return {
      seek: (partition, offset) => void positions.set(partition, offset),
      pause: (partition) => void paused.add(partition),
      resume: (partition) => void paused.delete(partition),
      rejoin: () => {},
      commit: async () => {},
      stop: async () => {
        stopped = true
      },
    }
  }
  return {
    topic: {
      name: topic.name,
      extents: () => topic.extents(),
      produce: (records) => topic.produce(records),
      offsetsAt: async () => [],
      readAll: async () => {},
      close: async () => {},
      read,
    },
    assign: (partitions) => handlers?.onAssigned(partitions),
  }
}
