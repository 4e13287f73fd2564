import { Kafka, logLevel, type Message } from 'kafkajs'
import { expect } from 'vitest'
import type { Credentials, TestEvent } from '../clients/client.ts'
import { untilSo } from '../until-so.ts'
import { startTestService, type TestService } from '../worlds/test-service.ts'

export interface KafkaService extends TestService {
  readonly topic: string
  readonly partner: Credentials
  readonly kafka: Kafka
  /** Produces with kafkajs, as a platform would. */
  produce(messages: readonly Message[]): Promise<void>
  /** Waits until everything that is in the topic now is settled. */
  untilSettled(): Promise<void>
  /** The sum of one Prometheus metric over all logs. */
  metric(name: string): Promise<number>
  ready(): Promise<{ status: number; message: string }>
}

/** Starts the whole service in this process, with its own topic, one partner and an ingest key. */
export async function startKafkaService(brokers: string, topic: string, environment: Record<string, string> = {}): Promise<KafkaService> {
  const started = await startTestService({ KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic, KAFKA_GROUP: `group-${topic}`, ...environment })
  const { client, service } = started
  const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING })
  const get = async (path: string) => fetch(`${service.url}${path}`)
  const ready = async () => {
    const answer = await get('/readyz')
    return { status: answer.status, message: ((await answer.json()) as { message?: string }).message ?? '' }
  }
  const metric = async (name: string) => {
    const lines = (await (await get('/metrics')).text()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }
  await client.createIngestKey()
  const partner = await client.createPartner(topic)
  return {
    ...started,
    topic,
    partner,
    kafka,
    metric,
    ready,
    produce: async (messages) => {
      const producer = kafka.producer({ allowAutoTopicCreation: false })
      await producer.connect()
      await producer.send({ topic, acks: -1, messages: [...messages] })
      await producer.disconnect()
    },
    untilSettled: async () => {
      await untilSo(async () => (await ready()).status === 200)
      const afterMs = Date.now()
      await untilSo(async () => (await asOfOf(client, partner)) >= afterMs)
    },
  }
}

async function asOfOf(client: TestService['client'], partner: Credentials): Promise<number> {
  const { body } = await client.partnershipUsage(partner, '2026-01-01', '2026-01-02')
  return body.as_of === null ? 0 : Date.parse(body.as_of)
}

/** Registers the project and returns the total of its events from `makeEvent`, as the partner sees it. */
export async function totalOf({ client, partner }: KafkaService, projectId: string): Promise<string> {
  const registered = await client.registerProject(projectId, partner.partnerId)
  expect(registered.status).toBeLessThan(300)
  return (await client.projectUsage(partner, projectId, '2026-01-01', '2026-12-31')).body.summary.total_ai_tokens
}

export function makeEvent(project_id: string, event_id: string, value = '1'): TestEvent {
  return { event_id, project_id, metric: 'ai_tokens', value, timestamp: '2026-01-02T03:04:05Z' }
}
