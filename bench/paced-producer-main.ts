import kafkajs from 'kafkajs'
import { forkedTask, sendResult } from './forked-task.ts'
import { makeTopicEvent } from './made-events.ts'

export interface PacedTask {
  readonly brokers: readonly string[]
  readonly topic: string
  /** The first event number; none from here on was sent before. */
  readonly firstEvent: number
  readonly eventsPerSecond: number
  readonly seconds: number
  readonly markEveryMs: number
  /** The project of the marks; each mark is an event of value 1. */
  readonly markedProject: string
}

export interface PacedResult {
  /** Date.now() when each mark was handed to the producer, in order. */
  readonly emittedMs: readonly number[]
  readonly eventsPerSecond: number
}

/** A request every few milliseconds with the events that are due, like an emitter that collects events briefly. */
const TICK_MS = 10
const WARM_UP_MS = 2_000

/** Run as a process by visible-latency.ts. */
const { brokers, topic, firstEvent, eventsPerSecond, seconds, markEveryMs, markedProject } = forkedTask<PacedTask>()
const producer = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.ERROR }).producer({
  createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  allowAutoTopicCreation: false,
})
await producer.connect()
const emittedMs: number[] = []
const sending: Promise<unknown>[] = []
const startedMs = Date.now()
let sent = 0
for (let nowMs = startedMs; nowMs < startedMs + seconds * 1000; nowMs = Date.now()) {
  const due = Math.floor(((nowMs - startedMs) / 1000) * eventsPerSecond)
  const messages = Array.from({ length: due - sent }, (_, index) => messageOf(makeTopicEvent(firstEvent + sent + index)))
  sent = due
  if (nowMs - startedMs >= WARM_UP_MS + emittedMs.length * markEveryMs) messages.push(messageOf(mark(emittedMs.length)))
  const marked = messages.length > 0 && messages.at(-1)?.key === markedProject
  if (marked) emittedMs.push(Date.now())
  if (messages.length > 0) sending.push(producer.send({ topic, acks: -1, messages }))
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, nowMs + TICK_MS - Date.now())))
}
await Promise.all(sending)
const elapsedSeconds = (Date.now() - startedMs) / 1000
await producer.disconnect()
sendResult({ emittedMs, eventsPerSecond: sent / elapsedSeconds } satisfies PacedResult)

function mark(number: number) {
  const event_id = `mark-${startedMs}-${number}`
  return { event_id, project_id: markedProject, metric: 'function_calls', value: '1', timestamp: new Date().toISOString() }
}

function messageOf(event: { readonly project_id: string }) {
  return { key: event.project_id, value: JSON.stringify(event) }
}
