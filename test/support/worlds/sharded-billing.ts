import { type ClickHouseCluster, startClickHouseCluster } from '../engines/clickhouse-cluster.ts'
import { kafkaForTests, type TestKafka } from '../engines/kafka-broker.ts'
import { startTestService } from './test-service.ts'
import { type Billing, eventsOf, OF_OPERATORS, PROJECTS, startBilling, untilComplete } from './two-stores.ts'

/** A service that counts a topic into two shards, with its broker and its servers. */
export class ShardedBilling {
  readonly cluster: ClickHouseCluster
  readonly environment: Readonly<Record<string, string>>
  /** The service that runs, or ran last. */
  billing: Billing
  readonly #kafka: TestKafka

  private constructor(kafka: TestKafka, cluster: ClickHouseCluster, environment: Record<string, string>, billing: Billing) {
    this.#kafka = kafka
    this.cluster = cluster
    this.environment = environment
    this.billing = billing
  }

  /** The first two servers are the shards. */
  static async start(topic: string, { servers = 2 } = {}): Promise<ShardedBilling> {
    const kafka = (await kafkaForTests()) as TestKafka
    const cluster = await startClickHouseCluster(servers)
    const ofTopic = { KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: topic, KAFKA_PARTITIONS: '4' }
    const ofShards = { CLICKHOUSE_URLS: cluster.urls.slice(0, 2).join(','), CLICKHOUSE_CLUSTER: 'first_2' }
    const environment = { ...OF_OPERATORS, ...ofTopic, ...ofShards }
    return new ShardedBilling(kafka, cluster, environment, await startBilling(environment))
  }

  /** Starts the service again, after its `stop`. */
  async restart(environment = this.environment): Promise<void> {
    const again = await startTestService(environment)
    const { client: before, partner } = this.billing
    const client = Object.assign(again.client, { ingestKey: before.ingestKey })
    this.billing = { ...this.billing, ...again, client, untilComplete: () => untilComplete(client, partner) }
  }

  /** Sends 120 events, waits until they are counted, and returns the status of the request. */
  async send(name: string, from: number): Promise<number> {
    const { status } = await this.billing.settled(() => this.billing.client.send(eventsOf(name, from, 120)))
    await this.billing.untilComplete()
    return status
  }

  /** All usage of both months, without what differs from call to call. */
  usage(): Promise<string[]> {
    const { client, partner, text } = this.billing
    const ofPartner = text(() => client.partner(partner, 'GET', '/usage?start_date=2026-01-01&end_date=2026-02-28&include=daily'))
    return Promise.all([ofPartner, ...PROJECTS.map((project) => text(() => client.projectUsage(partner, project, '2026-01-01', '2026-02-28')))])
  }

  async stop(): Promise<void> {
    await this.billing.stop()
    await this.cluster.stop()
    await this.#kafka.stop()
  }
}
