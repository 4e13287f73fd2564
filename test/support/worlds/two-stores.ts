import { openClickHouse } from '../../../sql/clickhouse.ts'
import type { Answer, Credentials, TestEvent } from '../clients/client.ts'
import { defineTestedMetrics } from '../oracles/defined-metrics.ts'
import { untilSo } from '../until-so.ts'
import { startTestService, type TestService } from './test-service.ts'

/** A service with a partner of its own. Of two services on one topic, the answers differ only in what both chose at random. */
export interface Billing extends TestService {
  readonly partner: Credentials
  /** Waits until everything that was acknowledged before the call is counted. */
  untilComplete(): Promise<void>
  /** The answer once the store can be read: a server may just be starting. */
  settled(call: () => Promise<Answer>): Promise<Answer>
  /** Its text, without what differs from call to call and from service to service. */
  text(call: () => Promise<Answer>): Promise<string>
}

export const PROJECTS = Array.from({ length: 12 }, (_, index) => `shared-${index}`)

export const OF_OPERATORS = {
  ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef',
  MASTER_KEY: Buffer.from('a master key for tests, 32 bytes').toString('base64'),
}

/** Starts a service with one partner, all projects, and a metric of each kind. */
export async function startBilling(environment: Record<string, string>): Promise<Billing> {
  const started = await startTestService({ ...OF_OPERATORS, ...environment })
  const { client } = started
  await untilSo(async () => (await fetch(`${client.url}/readyz`)).status === 200)
  await client.createIngestKey()
  const partner = await client.createPartner('shared')
  await defineTestedMetrics(client)
  for (const project of PROJECTS) await client.registerProject(project, partner.partnerId)
  return { ...started, partner, untilComplete: () => untilComplete(client, partner), settled, text: (call) => normalised(call, partner) }
}

/** Waits until everything that was acknowledged before the call is counted. */
export async function untilComplete(client: TestService['client'], partner: Credentials): Promise<void> {
  const afterMs = Date.now()
  await untilSo(async () => {
    const { status, body } = await client.partnershipUsage(partner, '2026-01-01', '2026-01-02')
    return status === 200 && body.as_of !== null && Date.parse(body.as_of) >= afterMs
  })
}

const RANDOM = [
  /"(as_of|closed_at|request_id|audited_at|received_at|created_at)":\s*("[^"]*"|null)/g,
  /\b[0-9a-f]{64}\b/g,
  /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g,
]

async function settled(call: () => Promise<Answer>): Promise<Answer> {
  let answer = await call()
  await untilSo(async () => {
    if (answer.status === 503) answer = await call()
    return answer.status !== 503
  })
  return answer
}

async function normalised(call: () => Promise<Answer>, { partnerId }: Credentials): Promise<string> {
  const { status, text } = await settled(call)
  return `${status} ${RANDOM.reduce((left, random) => left.replace(random, '…'), text.replaceAll(partnerId, 'ps_of_service'))}`
}

/** Samples of every kind, in January and February, spread over all projects. */
export function eventsOf(name: string, from: number, count: number): TestEvent[] {
  const METRICS = ['ai_tokens', 'database_size_bytes', 'seats', 'level', 'users', 'visits', 'egress_bytes']
  return Array.from({ length: count }, (_, index) => {
    const number = from + index
    const metric = METRICS[number % METRICS.length] ?? ''
    const day = String(1 + (number % 27)).padStart(2, '0')
    const timestamp = `2026-0${1 + (number % 2)}-${day}T0${number % 10}:00:00Z`
    const value = metric === 'users' ? `user-${number % 5}` : metric === 'visits' ? undefined : `${1 + ((number * 37) % 1000)}.${number % 10}`
    return {
      event_id: `${name}-${number}`,
      project_id: PROJECTS[number % PROJECTS.length] ?? '',
      metric,
      timestamp,
      ...(value !== undefined && { value }),
    } as TestEvent
  })
}

/** How many events each server has, in their order. */
export async function eventsPerServer(urls: readonly string[]): Promise<number[]> {
  return Promise.all(
    urls.map(async (url) => {
      const clickhouse = await openClickHouse({ engine: 'server', url })
      const { countStored } = await import('../../../ingest/log/identity-index.ts')
      const events = await countStored(clickhouse.reads)
      await clickhouse.close()
      return events
    }),
  )
}
