import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { defineQuery } from '../../../sql/query.ts'
import { HAS_KAFKA } from '../../support/engines/kafka-broker.ts'
import { makeEvent } from '../../support/kafka/kafka-service.ts'
import { untilSo } from '../../support/until-so.ts'
import { ShardedBilling } from '../../support/worlds/sharded-billing.ts'
import { PROJECTS } from '../../support/worlds/two-stores.ts'

describe.skipIf(!HAS_KAFKA)('a shard that is down', () => {
  let world: ShardedBilling
  const [onFirst = '', onSecond = ''] = [0, 1].map((shard) => PROJECTS.find((project) => partitionOfProject(project, 2) === shard))
  const usageOf = (project: string) => world.billing.client.projectUsage(world.billing.partner, project, '2026-01-01', '2026-01-31')
  const totalOf = async (project: string) => (await usageOf(project)).body.summary.total_ai_tokens
  const readiness = async () => (await fetch(`${world.billing.client.url}/readyz`)).text()

  beforeAll(async () => {
    world = await ShardedBilling.start('down')
  }, 240_000)
  afterAll(() => world?.stop())

  test('P6: stops its own logs only; an answer that needs it is an error, and the others go on', async () => {
    const { client, partner } = world.billing
    expect((await client.send([makeEvent(onFirst, 'a', '1'), makeEvent(onSecond, 'b', '10')])).status).toBe(202)
    await world.billing.untilComplete()
    expect([await totalOf(onFirst), await totalOf(onSecond)]).toEqual(['1', '10'])

    // During a query.
    const { work, shards } = world.billing.service.clickhouse
    const reading = expect(work.query(slowCount, {})).rejects.toMatchObject({ fault: 'unavailable' })
    await untilSo(async () => (await shards?.[1]?.control.query(slowReads, {}))?.[0]?.running === 1)
    await world.cluster.kill(2)
    await reading

    expect((await client.send([makeEvent(onFirst, 'c', '2'), makeEvent(onSecond, 'd', '20')])).status).toBe(202)
    await untilSo(async () => (await totalOf(onFirst)) === '3')
    expect((await usageOf(onSecond)).status).toBe(503)
    expect(await client.partnershipUsage(partner, '2026-01-01', '2026-01-31')).toMatchObject({ status: 503, body: { code: 'STORE_UNAVAILABLE' } })
    expect((await client.closeMonth(partner.partnerId, '2026-01')).status).toBe(503)
    await untilSo(async () => /the log \S+\/down\/1\/[13] is not read/.test(await readiness()))
    await untilSo(async () => (await readiness()).includes(new URL(world.cluster.urls[1] ?? '').host))
    // The watermark stops, as the logs of the shard do.
    const { as_of } = (await usageOf(onFirst)).body
    const { status, body } = await usageOf(onFirst)
    expect([status, body.as_of, body.summary.total_ai_tokens]).toEqual([200, as_of, '3'])

    await world.cluster.restart(2)
    await world.billing.untilComplete()
    expect([await totalOf(onFirst), await totalOf(onSecond)]).toEqual(['3', '30'])
    expect((await world.billing.settled(() => client.audit())).body.differences).toEqual([])
  }, 240_000)

  test('P1: a process starts while a shard is down, counts the other logs, and those of the shard when it is back', async () => {
    await world.billing.stop()
    await world.cluster.kill(2)
    await world.restart()
    await untilSo(async () => (await world.billing.client.send([makeEvent(onFirst, 'e', '4'), makeEvent(onSecond, 'f', '40')])).status === 202)
    await world.cluster.restart(2)
    await world.billing.untilComplete()
    expect([await totalOf(onFirst), await totalOf(onSecond)]).toEqual(['7', '70'])
  }, 240_000)
})

const slowCount = defineQuery({
  name: 'test_slow_count',
  sql: 'SELECT count() AS events, sum(sleepEachRow(20)) AS slept FROM raw_usage_events_v1',
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
  settings: { max_execution_time: 120, function_sleep_max_microseconds_per_block: 120_000_000 },
})

/** What another server reads on this one. */
const slowReads = defineQuery({
  name: 'test_slow_reads',
  sql: "SELECT toUInt8(count() > 0) AS running FROM system.processes WHERE is_initial_query = 0 AND query LIKE '%sleepEachRow%'",
  params: z.object({}),
  row: z.object({ running: z.number() }),
})
