import kafkajs from 'kafkajs'
import { forkedTask, sendResult } from './forked-task.ts'
import { makeTopicEvent } from './made-events.ts'

export interface FillTask {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly events: number
}

/** Run as a process by bench-topic.ts: produces the events from number 0 on, uncompressed, each to the partition of its project. */
const { brokers, topic, events } = forkedTask<FillTask>()
const producer = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.ERROR }).producer({
  createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  allowAutoTopicCreation: false,
})
await producer.connect()
const EVENTS_PER_REQUEST = 10_000
for (let first = 0; first < events; first += EVENTS_PER_REQUEST) {
  const messages = Array.from({ length: Math.min(EVENTS_PER_REQUEST, events - first) }, (_, index) => {
    const event = makeTopicEvent(first + index)
    return { key: event.project_id, value: JSON.stringify(event) }
  })
  await producer.send({ topic, acks: -1, messages })
}
await producer.disconnect()
sendResult({ events })
