import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Kafka } from 'kafkajs'
import type { TopicRecord } from './validate-record.ts'

/** Reads the whole topic with librdkafka, which the service does not use, without what transactions have aborted. */
export async function readTopicWithKcat(brokers: string, topic: string): Promise<TopicRecord[]> {
  const child = spawn('kcat', ['-C', '-b', brokers, '-t', topic, '-o', 'beginning', '-e', '-q', '-J'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += String(chunk)
  })
  const closed = once(child, 'close')
  const records: TopicRecord[] = []
  for await (const line of createInterface({ input: child.stdout })) records.push(recordOf(JSON.parse(line) as KcatRecord))
  const [code] = await closed
  if (code !== 0) throw new Error(`kcat ended with code ${code}: ${errors}`)
  return records
}

interface KcatRecord {
  readonly partition: number
  readonly offset: number
  readonly ts: number
  readonly payload: string | null
  /** Names and values alternate. */
  readonly headers?: readonly string[]
}

function recordOf({ partition, offset, ts, payload, headers = [] }: KcatRecord): TopicRecord {
  const named = new Map<string, string>()
  for (let at = 0; at + 1 < headers.length; at += 2) named.set(headers[at] ?? '', headers[at + 1] ?? '')
  return { partition, offset, timestampMs: ts, value: payload, headers: named }
}

/** The same without kcat: a plain consumer in a group of its own, which reads up to the last record of each partition. */
export async function readTopicWithKafkajs(kafka: Kafka, topic: string, ends: ReadonlyMap<number, number>): Promise<TopicRecord[]> {
  const records: TopicRecord[] = []
  const open = new Set([...ends].flatMap(([partition, end]) => (end > 0 ? [partition] : [])))
  const consumer = kafka.consumer({ groupId: `${topic}-reader` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    const eachMessage: Parameters<typeof consumer.run>[0] = {
      eachMessage: async ({ partition, message }) => {
        const headers = new Map(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]))
        const offset = Number(message.offset)
        records.push({ partition, offset, timestampMs: Number(message.timestamp), value: message.value?.toString('utf8') ?? null, headers })
        if (offset + 1 >= (ends.get(partition) ?? 0)) open.delete(partition)
        if (open.size === 0) resolve()
      },
    }
    consumer.run(eachMessage).catch(reject)
  })
  await consumer.disconnect()
  return records
}

/**
 * Produces one last record to each partition, a tombstone. Returns the offset after it by partition. Everything before it can be read
 * once it can be, and no transaction is open then.
 */
export async function produceLastRecords(kafka: Kafka, topic: string, partitions: number): Promise<Map<number, number>> {
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  const messages = Array.from({ length: partitions }, (_, partition) => ({ partition, value: null }))
  const written = await producer.send({ topic, acks: -1, messages })
  await producer.disconnect()
  return new Map(written.map(({ partition, baseOffset }) => [partition, Number(baseOffset) + 1]))
}

/** The offset up to which each partition can be read: that of the first open transaction, or else the next one. */
export async function readEnds(kafka: Kafka, topic: string): Promise<Map<number, number>> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]))
  } finally {
    await admin.disconnect()
  }
}
