import type { Kafka, Producer } from 'kafkajs'
import { messageOf, typeOf } from './kafkajs-errors.ts'
import { KafkaUnavailable, type NewRecord, type ProduceOutcome } from './topic.ts'

/**
 * One idempotent producer for each partition, opened at its first record. They share nothing: a partition that has no leader, or whose
 * replicas are slow, delays no other one, and neither does an error after which a producer must be discarded.
 */
export class KafkajsProducers {
  readonly #kafka: Kafka
  readonly #topic: string
  readonly #open = new Map<number, Promise<Producer>>()

  constructor(kafka: Kafka, topic: string) {
    this.#kafka = kafka
    this.#topic = topic
  }

  /** Appends records of one partition, in order, and returns an outcome for each. Throws KafkaUnavailable. */
  async produce(partition: number, records: readonly NewRecord[]): Promise<ProduceOutcome[]> {
    const producer = this.#open.get(partition) ?? connectProducer(this.#kafka)
    this.#open.set(partition, producer)
    try {
      return await send(await producer, this.#topic, records)
    } catch (error) {
      // The sequence numbers of this producer are in doubt now. A new one starts with new numbers.
      if (this.#open.get(partition) === producer) this.#open.delete(partition)
      producer.then((failed) => failed.disconnect()).catch(() => {})
      throw new KafkaUnavailable(`The request to Kafka failed: ${messageOf(error)}`, error)
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#open.values()].map(async (producer) => (await producer).disconnect()))
  }
}

async function connectProducer(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
  await producer.connect()
  return producer
}

/** Sends records in requests of a size that a broker accepts with its default max.message.bytes: 1 MiB for the records of one request and partition. */
async function send(producer: Producer, topic: string, records: readonly NewRecord[]): Promise<ProduceOutcome[]> {
  const outcomes: ProduceOutcome[] = []
  for (let from = 0, to = 0; from < records.length; from = to) {
    for (let bytes = 0; to < records.length; to += 1) {
      const record = records[to]
      if (record === undefined) break
      bytes += bytesOf(record)
      if (to > from && bytes > REQUEST_BYTES_MAX) break
    }
    outcomes.push(...(await sendHalved(producer, topic, records.slice(from, to))))
  }
  return outcomes
}

const REQUEST_BYTES_MAX = 800 * 1024
const RECORD_OVERHEAD_BYTES = 64

function bytesOf({ key, value, headers }: NewRecord): number {
  const inHeaders = Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text), 0)
  return RECORD_OVERHEAD_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value) + inHeaders
}

/** Sends one request. If the broker rejects it, the two halves are sent instead, and so on down to the single record that it rejects. */
async function sendHalved(producer: Producer, topic: string, records: readonly NewRecord[]): Promise<ProduceOutcome[]> {
  try {
    return await sendRequest(producer, topic, records)
  } catch (error) {
    if (!REFUSALS.includes(typeOf(error))) throw error
    if (records.length === 1) return [{ status: 'refused', error }]
    const middle = Math.ceil(records.length / 2)
    return [...(await sendHalved(producer, topic, records.slice(0, middle))), ...(await sendHalved(producer, topic, records.slice(middle)))]
  }
}

/** What a broker answers when it rejects records for what they are: it has appended none, and would not the next time. */
const REFUSALS = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD']

/** The broker returns the first offset. The records are in order, so their offsets follow from it. */
async function sendRequest(producer: Producer, topic: string, records: readonly NewRecord[]): Promise<ProduceOutcome[]> {
  const messages = records.map(({ partition, key, value, headers }) => ({ partition, key, value, headers: { ...headers } }))
  const [sent] = await producer.send({ topic, acks: -1, messages })
  const first = Number(sent?.baseOffset)
  if (!Number.isSafeInteger(first) || first < 0) throw new Error(`The broker did not return the offset of the records of partition ${sent?.partition}.`)
  return records.map((_, index) => ({ status: 'appended', offset: first + index }))
}
