import type { Consumer } from 'kafkajs'
import { fetchedOf } from './kafkajs-reader.ts'
import { type FetchedBatch, type PartitionExtent, requireExtents } from './topic.ts'

export interface ReadOnceOptions {
  readonly consumer: Consumer
  readonly topic: string
  extents(): Promise<(PartitionExtent | undefined)[]>
  onBatch(batch: FetchedBatch): Promise<void>
}

/** Reads each partition from its begin to the stable end that it has at the start: no consumer gets what lies behind an open transaction. */
export async function readOnce({ consumer, topic, extents, onBatch }: ReadOnceOptions): Promise<void> {
  const ends = requireExtents(await extents())
  const open = new Set(ends.flatMap(({ begin, stableEnd }, partition) => (begin < stableEnd ? [partition] : [])))
  if (open.size === 0) return
  try {
    await new Promise<void>((resolve, reject) => {
      const passed = (partition: number, through: number) => {
        if (through + 1 >= (ends[partition]?.stableEnd ?? 0)) open.delete(partition)
        if (open.size === 0) resolve()
      }
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      consumer.on(consumer.events.START_BATCH_PROCESS, ({ payload }) => {
        if (payload.batchSize === 0) passed(payload.partition, Number(payload.lastOffset))
      })
      const run = async () => {
        await consumer.connect()
        await consumer.subscribe({ topic, fromBeginning: true })
        await consumer.run({
          autoCommit: false,
          eachBatch: async ({ batch, heartbeat }) => {
            const fetched = fetchedOf(batch)
            const timer = setInterval(() => void heartbeat().catch(() => {}), HEARTBEAT_EVERY_MS)
            if (open.has(fetched.partition)) await onBatch(fetched).catch(reject)
            clearInterval(timer)
            passed(fetched.partition, fetched.through)
          },
        })
      }
      run().catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
}

const HEARTBEAT_EVERY_MS = 2_000
