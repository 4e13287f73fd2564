import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { MeterlineClient } from '../support/clients/client.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/engines/clickhouse-server.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../support/engines/kafka-broker.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { makeEvent } from '../support/kafka/kafka-service.ts'
import { Oracle } from '../support/oracles/oracle.ts'
import { untilSo } from '../support/until-so.ts'

describe.skipIf(!HAS_KAFKA)('several processes on one Kafka and one ClickHouse server', () => {
  let kafka: TestKafka
  let store: TestClickHouse
  let environment: Record<string, string>
  const running: ServiceProcess[] = []
  const start = async (verb: 'ingest' | 'aggregate' | 'api', extra: Record<string, string> = {}) => {
    // Each part as its own database user, if the server is ours.
    const ofPart = store.ofPart === undefined ? {} : { CLICKHOUSE_URL: store.ofPart[verb] }
    const started = await startServiceProcess({ ...environment, ...ofPart, ...extra }, verb)
    running.push(started)
    return started
  }
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    store = await clickHouseForTests()
    environment = {
      KAFKA_BROKERS: kafka.brokers,
      KAFKA_TOPIC: 'processes',
      CLICKHOUSE_URL: store.ofPart?.migrate ?? store.newDatabase(),
      ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef',
      MASTER_KEY: Buffer.from('a master key for tests, 32 bytes').toString('base64'),
    }
    expect(await runMeterline(['migrate'], environment)).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    for (const process of running.reverse()) await process.stop()
    await store?.stop()
    await kafka?.stop()
  })

  test('P1 P2 P8: two ingest, two aggregate and two api processes count every event once, also when one stops or the group is renamed', async () => {
    const [first, second] = [await start('ingest'), await start('ingest')]
    const aggregates = [await start('aggregate'), await start('aggregate')]
    const apis = [await start('api'), await start('api')]
    const [one, other] = apis.map(({ url }) => new MeterlineClient(url, environment['ADMIN_TOKEN'] ?? '')) as [MeterlineClient, MeterlineClient]
    for (const { url } of [first, second, ...aggregates, ...apis]) await untilSo(async () => (await fetch(`${url}/readyz`)).status === 200)
    other.ingestKey = await one.createIngestKey()
    const partner = await one.createPartner('processes')
    const projects = Array.from({ length: 12 }, (_, index) => `proc-${index}`)
    for (const project of projects) await one.registerProject(project, partner.partnerId)
    const events = (from: number, count: number) =>
      projects.flatMap((project) => Array.from({ length: count }, (_, index) => makeEvent(project, `e-${from + index}`)))
    const untilComplete = async () => {
      const afterMs = Date.now()
      await untilSo(async () => {
        const { as_of } = (await other.partnershipUsage(partner, '2026-01-01', '2026-01-31')).body
        return as_of !== null && Date.parse(as_of) >= afterMs
      })
    }
    const metric = async (url: string, series: string) => {
      const line = (await (await fetch(`${url}/metrics`)).text()).split('\n').find((other) => other.startsWith(`${series} `))
      return Number(line?.slice(series.length) ?? 0)
    }
    /** Every materialized day is up to date, so that usage is answered from it. */
    const untilMaterialized = async () => {
      const clickhouse = await openClickHouse({ engine: 'server', url: environment['CLICKHOUSE_URL'] ?? '' })
      await untilSo(async () => (await clickhouse.reads.query(daysNotMaterialized, {}))[0]?.days === 0)
      await clickhouse.close()
    }
    const total = async (client: MeterlineClient) => (await client.partnershipUsage(partner, '2026-01-01', '2026-01-31')).body.summary.ai_tokens

    expect((await one.send(events(0, 5))).status).toBe(202)
    expect((await other.send(events(3, 5))).status).toBe(202)
    await untilComplete()
    expect([await total(one), await total(other)]).toEqual(['96', '96'])

    // Both aggregate processes refresh the partnership days; computing the same day twice does no harm.
    await untilMaterialized()
    for (const { url } of aggregates) await untilSo(async () => (await metric(url, 'meterline_work_runs_total{work="partnership_days"}')) > 0)
    expect([await total(one), await total(other)]).toEqual(['96', '96'])

    // A stopped process releases its leases, and the other one continues with its partitions.
    expect(await first.stop()).toBe(0)
    expect((await one.send(events(8, 2))).status).toBe(202)
    await untilComplete()
    expect(await total(other)).toBe('120')

    // A renamed group reads everything from the beginning and acquires the leases from a live process.
    const renamed = await start('ingest', { KAFKA_GROUP: 'renamed' })
    await untilSo(async () => (await fetch(`${renamed.url}/readyz`)).status === 200)
    expect((await one.send(events(9, 2))).status).toBe(202)
    await untilComplete()
    expect(await total(other)).toBe('132')
    expect((await one.audit()).body.differences).toEqual([])
    expect((await one.admin('POST', '/admin/v1/logs/audits')).body.differences).toEqual([])

    // When one aggregate process stops, the other continues; the materialized totals are what an oracle adds up.
    expect(await aggregates[0]?.stop()).toBe(0)
    const oracle = new Oracle()
    oracle.add([...events(0, 5), ...events(3, 5), ...events(8, 2), ...events(9, 2)])
    await untilMaterialized()
    expect(await total(one)).toBe(oracle.partnership(projects, '2026-01-01', '2026-01-31', 'ai_tokens'))
    expect(await aggregates[1]?.stop()).toBe(0)

    // The commands of the command line report the same.
    const address = { METERLINE_URL: apis[0]?.url ?? '', METERLINE_ACCESS_TOKEN: environment['ADMIN_TOKEN'] ?? '' }
    const stdoutOf = async (...args: string[]) => (await runMeterline(args, address)).stdout
    expect(await stdoutOf('audit', '--topic')).toMatch(/0 differences between topic and raw \(\d+ records read: 132 counted, 36 duplicates, 0 rejected/)
    expect(await stdoutOf('audit', '--log'), 'the former name of the option').toContain('0 differences between topic and raw')
    expect(await stdoutOf('log', 'list')).toMatch(/\/processes\/1\/3 /)
    expect(await stdoutOf('replay', '--from', '0')).toMatch(/\/processes\/1\/0 will be read again from offset 0; nothing counts twice/)
    expect(await stdoutOf('rejected', 'list')).toContain('No event was rejected.')
    expect((await runMeterline(['rejected', 'resend', 'nowhere/1'], address)).code).toBe(4)
    expect((await runMeterline(['log', 'repartition'], address)).stderr).toContain('has 4 partitions, as pinned')
    await untilComplete()
    expect(await total(other)).toBe('132')

    // A month's rollup is rebuilt only while no process counts; processes that start afterwards continue to count.
    const rebuild = () => runMeterline(['rebuild', '--month', '2026-01'], address)
    expect(await rebuild()).toMatchObject({ code: 1, stderr: expect.stringMatching(/\(process \d+\) counts events. Stop it first: `meterline ingest`/) })
    for (const reader of [second, renamed]) expect(await reader.stop()).toBe(0)
    expect(await rebuild()).toMatchObject({ code: 0, stdout: expect.stringContaining('The rollup of 2026-01 is rebuilt: 132 events') })
    const again = await start('ingest')
    await untilSo(async () => (await fetch(`${again.url}/readyz`)).status === 200)
    expect((await one.send(events(11, 1))).status).toBe(202)
    await untilComplete()
    expect(await total(one)).toBe('144')
    expect((await one.audit()).body.differences).toEqual([])

    // An independent reader finds the same events in the topic.
    const identities = new Set<string>()
    const consumer = new Kafka({ brokers: [kafka.brokers], logLevel: logLevel.NOTHING }).consumer({ groupId: 'reader' })
    await consumer.connect()
    await consumer.subscribe({ topic: 'processes', fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => void identities.add(`${message.key} ${JSON.parse(String(message.value)).event_id}`) })
    await untilSo(async () => identities.size === 144)
    await consumer.disconnect()
  }, 480_000)

  test('a command for one of several processes names the variables that it needs', async () => {
    const { KAFKA_BROKERS, ...withoutKafka } = environment
    expect(KAFKA_BROKERS).toBeDefined()
    const withoutServer = await runMeterline(['aggregate'], { KAFKA_BROKERS: kafka.brokers })
    expect([withoutServer.code, withoutServer.stderr]).toEqual([1, expect.stringContaining('needs CLICKHOUSE_URL')])
    const { code, stderr } = await runMeterline(['ingest'], withoutKafka)
    expect(code).toBe(1)
    expect(stderr).toContain('needs KAFKA_BROKERS and CLICKHOUSE_URL')
    expect(stderr).toContain('meterline start')
  })

  test('with unreachable brokers an api process starts, is not ready, names the reason, rejects events, and stops cleanly', async () => {
    const { url, stop } = await start('api', { KAFKA_BROKERS: '127.0.0.1:1', KAFKA_TOPIC: 'nowhere' })
    const ready = await fetch(`${url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.text()).toContain('Kafka has not been reached yet')
    const client = new MeterlineClient(url, environment['ADMIN_TOKEN'] ?? '')
    await client.createIngestKey()
    expect(await client.send([makeEvent('p', 'e')])).toMatchObject({ status: 503, body: { code: 'EVENTS_UNAVAILABLE' } })
    expect(await stop()).toBe(0)
  })
})

const daysNotMaterialized = defineQuery({
  name: 'test_days_not_materialized',
  sql: `SELECT count() AS days FROM (SELECT usage_date, sum(changes) AS noted, max(kept) AS whole FROM usage_day_changes_v1 GROUP BY usage_date)
        WHERE noted != whole`,
  params: z.object({}),
  row: z.object({ days: z.coerce.number() }),
})
