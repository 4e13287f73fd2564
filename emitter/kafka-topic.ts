import type { WireEvent } from './event.ts'
import type { Post, PostResult } from './post.ts'

/** The part of a producer of kafkajs that is used. Connect it before, and disconnect it after the emitter is closed. */
export interface KafkaProducer {
  send(record: { topic: string; acks: number; messages: { key: string; value: string }[] }): Promise<unknown>
}

export interface KafkaTopicOptions {
  /** Create it with `idempotent: true` and without a partitioner of your own: a project's events belong into the partition of its id. */
  readonly producer: KafkaProducer
  /** The topic that Meterline reads (KAFKA_TOPIC). */
  readonly topic: string
}

/** Sends events to the topic that Meterline reads. An event is delivered when all in-sync replicas have it; it is counted when it is read. */
export function kafkaTopic({ producer, topic }: KafkaTopicOptions): Post {
  return async (texts) => {
    const messages = texts.map((value) => ({ key: (JSON.parse(value) as WireEvent).project_id, value }))
    try {
      await producer.send({ topic, acks: -1, messages })
      return { status: 'answered', accepted: texts.length, duplicates: undefined, rejected: [] }
    } catch (error) {
      return resultOf(error)
    }
  }
}

/** What a broker answers when a request or a record is larger than it accepts. */
const TOO_LARGE = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']

function resultOf(error: unknown): PostResult {
  const message = error instanceof Error ? error.message : String(error)
  const { type } = (error ?? {}) as { type?: unknown }
  if (typeof type === 'string' && TOO_LARGE.includes(type)) return { status: 'too_large', message }
  return { status: 'try_again', httpStatus: undefined, message, retryAfterMs: undefined }
}
