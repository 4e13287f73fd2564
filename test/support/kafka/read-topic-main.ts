import { Kafka, logLevel } from 'kafkajs'
import { untilSo } from '../until-so.ts'
import type { ReadMessage } from './read-topic.ts'

const [brokers = '', topic = ''] = process.argv.slice(2)
const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING })
const admin = kafka.admin()
await admin.connect()
const total = (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0)
await admin.disconnect()
const messages: ReadMessage[] = []
const consumer = kafka.consumer({ groupId: `reader-${process.pid}-${Date.now()}` })
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
await consumer.run({
  eachMessage: async ({ partition, message: { key, value, timestamp, headers } }) => {
    const texts = Object.fromEntries(Object.entries(headers ?? {}).map(([name, bytes]) => [name, String(bytes)]))
    messages.push({ partition, key: String(key), value: String(value), timestamp, headers: texts })
  },
})
await untilSo(async () => messages.length >= total)
await consumer.disconnect()
process.send?.(messages, () => process.disconnect())
