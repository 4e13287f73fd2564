import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MeterlineClient } from '../support/clients/client.ts'
import { startWebhookReceiver } from '../support/clients/webhook-receiver.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/engines/clickhouse-server.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../support/engines/kafka-broker.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { untilSo } from '../support/until-so.ts'
import { TEST_MASTER_KEY } from '../support/worlds/test-registry.ts'

const ADMIN_TOKEN = 'admin-token-for-tests-0123456789abcdef'
const TOPIC = 'announced'

describe.skipIf(!HAS_KAFKA)('an incident of an ingest process', () => {
  let kafka: TestKafka
  let store: TestClickHouse
  let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
  let environment: Record<string, string>
  const running: ServiceProcess[] = []
  const start = async (part: 'ingest' | 'aggregate' | 'api') => {
    // Each part as its own database user, if the server is ours.
    const ofPart = store.ofPart === undefined ? {} : { CLICKHOUSE_URL: store.ofPart[part] }
    const started = await startServiceProcess({ ...environment, ...ofPart }, part)
    running.push(started)
    return started
  }
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    store = await clickHouseForTests()
    receiver = await startWebhookReceiver()
    environment = {
      KAFKA_BROKERS: kafka.brokers,
      KAFKA_TOPIC: TOPIC,
      CLICKHOUSE_URL: store.ofPart?.migrate ?? store.newDatabase(),
      ADMIN_TOKEN,
      MASTER_KEY: TEST_MASTER_KEY,
      OUTGOING_ALLOW: '127.0.0.1/32',
    }
    expect(await runMeterline(['migrate'], environment)).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    for (const process of running.reverse()) await process.stop()
    await receiver?.stop()
    await store?.stop()
    await kafka?.stop()
  })

  test('is announced by aggregate processes, once for each log, and not again when ingest is killed and started again', async () => {
    const api = await start('api')
    const client = new MeterlineClient(api.url, ADMIN_TOKEN)
    const before = await start('ingest')
    await untilSo(async () => (await fetch(`${before.url}/readyz`)).status === 200)
    await client.admin('POST', '/admin/v1/webhooks', { url: receiver.url, events: ['log.incident'] })
    const aggregates = [await start('aggregate'), await start('aggregate')]
    await before.stop()
    const admin = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const partitions = (await admin.fetchTopicOffsets(TOPIC)).length
    await admin.createPartitions({ topicPartitions: [{ topic: TOPIC, count: partitions + 1 }] })
    await admin.disconnect()

    const metric = async ({ url }: ServiceProcess, series: string) => {
      const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n').filter((line) => line.startsWith(series))
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
    }
    const stopped = await start('ingest')
    await untilSo(async () => receiver.requests.length >= partitions)
    await stopped.kill()
    const again = await start('ingest')
    // The new partition, which is no log yet, is stopped as well.
    await untilSo(async () => (await metric(again, 'meterline_log_incident{')) >= partitions)
    // Each aggregate process has checked after that.
    for (const aggregate of aggregates) {
      const runs = () => metric(aggregate, 'meterline_work_runs_total{work="incident_messages"}')
      const checked = await runs()
      await untilSo(async () => (await runs()) >= checked + 2)
    }
    const messages = receiver.requests.map(({ headers, body }) => ({ id: headers['webhook-id'], ...JSON.parse(body.toString('utf8')) }))
    expect(new Set(messages.map(({ id }) => id)).size).toBe(partitions)
    expect(messages.map(({ data }) => data.log.split('/').at(-1)).sort()).toEqual(Array.from({ length: partitions }, (_, partition) => String(partition)))
    for (const { data } of messages)
      expect(data).toMatchObject({ incident: 'partition_count_changed', message: expect.stringContaining('run "meterline log repartition"') })

    // An API process, which counts nothing, knows of them too.
    const address = { METERLINE_URL: api.url, METERLINE_ACCESS_TOKEN: ADMIN_TOKEN }
    const { stdout } = await runMeterline(['diagnose', 'advisor', '--severity', 'critical'], address)
    expect(stdout.match(/is stopped by an incident: partition_count_changed/g)).toHaveLength(partitions)
    expect(stdout).toContain('next:  meterline log repartition')
    expect(await runMeterline(['log', 'repartition'], address)).toMatchObject({ code: 0 })
    expect((await runMeterline(['diagnose', 'advisor'], address)).stdout).not.toContain('stopped by an incident')
  }, 240_000)
})
