import { type Kafka, Partitioners } from 'kafkajs'
import { afterMs } from './clock.ts'
import type { EmittingOptions } from './emit-kafkajs.ts'

export interface EmitInTransactionOptions extends EmittingOptions {
  readonly kafka: Kafka
  readonly lastsMs: number
  /** How the transaction ends. One that hangs is aborted by the broker after `lastsMs`. */
  readonly outcome: 'commit' | 'abort' | 'hang'
}

const RECORDS = 60

/**
 * Produces records in a transaction. What follows them in their partitions cannot be read until it has ended. Only what is committed
 * is acknowledged; after a failure the outcome is unknown.
 */
export async function emitInTransaction({ kafka, generator, acknowledged, topic, lastsMs, outcome }: EmitInTransactionOptions): Promise<void> {
  const records = generator.records(RECORDS)
  const transactionalId = `${topic}-${records[0]?.eventId}-${Date.now()}`
  const options = { createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false, maxInFlightRequests: 1, idempotent: true }
  // It ends by itself a little after it should, whatever happens.
  const producer = kafka.producer({ ...options, transactionalId, transactionTimeout: outcome === 'hang' ? lastsMs : lastsMs + TIMEOUT_EXTRA_MS })
  try {
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic, acks: -1, messages: records.map(({ projectId, value }) => ({ key: projectId, value })) })
    await afterMs(lastsMs)
    if (outcome === 'abort') await transaction.abort()
    if (outcome === 'commit') {
      await transaction.commit()
      acknowledged.add('transaction', records)
    }
  } catch {
    acknowledged.countRetry('transaction')
  } finally {
    await producer.disconnect().catch(() => {})
  }
}

const TIMEOUT_EXTRA_MS = 15_000
