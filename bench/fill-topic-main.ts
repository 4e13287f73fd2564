import kafkajs from 'kafkajs'
import { forkedTask, sendResult } from './forked-task.ts'
import { makeTopicEvent } from './made-events.ts'

export interface FillTask {
  readonly brokers: readonly string[]
  readonly topic: string
  /** The number of the first event. */
  readonly first: number
  readonly events: number
  readonly eventsPerDay?: number
}

/** Run as a process by bench-topic.ts: produces events, uncompressed, each to the partition of its project. */
const { brokers, topic, first, events, eventsPerDay } = forkedTask<FillTask>()
const producer = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.ERROR }).producer({
  createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  allowAutoTopicCreation: false,
})
await producer.connect()
const EVENTS_PER_REQUEST = 10_000
const end = first + events
for (let next = first; next < end; next += EVENTS_PER_REQUEST) {
  const messages = Array.from({ length: Math.min(EVENTS_PER_REQUEST, end - next) }, (_, index) => {
    const event = makeTopicEvent(next + index, eventsPerDay)
    return { key: event.project_id, value: JSON.stringify(event) }
  })
  await producer.send({ topic, acks: -1, messages })
}
await producer.disconnect()
sendResult({ events })
