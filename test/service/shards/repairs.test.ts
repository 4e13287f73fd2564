import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readAsOf } from '../../../aggregator/as-of.ts'
import { admitShard, movePartition } from '../../../service/change-shards.ts'
import { rebuildOffline } from '../../../service/rebuild-offline.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { currentLeaseOwner } from '../../../sql/lease.ts'
import { openShards } from '../../../sql/open-shards.ts'
import { defineQuery } from '../../../sql/query.ts'
import { queryOne } from '../../../sql/query-one.ts'
import { IS_LOG_OF_TOPIC, shardsOf } from '../../../sql/shards.ts'
import { HAS_KAFKA } from '../../support/engines/kafka-broker.ts'
import { untilSo } from '../../support/until-so.ts'
import { ShardedBilling } from '../../support/worlds/sharded-billing.ts'
import { startTestService } from '../../support/worlds/test-service.ts'
import { eventsPerServer } from '../../support/worlds/two-stores.ts'

describe.skipIf(!HAS_KAFKA)('repairs of a store of two shards', () => {
  let world: ShardedBilling
  beforeAll(async () => {
    world = await ShardedBilling.start('restored')
  }, 240_000)
  afterAll(() => world?.stop())

  const send = async (name: string, from: number) => expect(await world.send(name, from)).toBe(202)
  const usage = () => world.usage()

  test('P1 P2 P3: a shard that is restored from an older backup counts its events since then again, each once, and nothing that others have seen of it counts meanwhile', async () => {
    await send('before', 0)
    await world.billing.stop()
    await world.cluster.backUp(2)
    await world.restart()
    await send('after', 200)
    await untilMaterialized()
    const [before, stored] = [await usage(), await eventsPerServer(world.cluster.urls)]
    await expect(admitShard(world.environment, 2)).rejects.toThrow(/counts events. Stop every process/)
    await world.billing.stop()
    await world.cluster.restore(2)
    expect((await eventsPerServer(world.cluster.urls))[1]).toBeLessThan(stored[1] ?? 0)

    await expect(startTestService(world.environment)).rejects.toThrow(/has the data of an older backup.*meterline shard restored/)
    const seen = await seenOfShard()
    expect(seen.asOfMs).not.toBe(null)
    expect(await admitShard(world.environment, 2)).toEqual({ shard: 2, logs: 2, days: seen.days })
    const now = await seenOfShard()
    expect(now.asOfMs, 'complete up to no time').toBe(null)
    expect(now.leastChanges, 'every day has more changes than ever before').toBeGreaterThan(1_000_000)
    expect(
      now.owners.filter((owner) => seen.owners.includes(owner)),
      'no owner of before holds a lease',
    ).toEqual([])

    await world.restart()
    await world.billing.untilComplete()
    expect(await usage()).toEqual(before)
    expect(await eventsPerServer(world.cluster.urls)).toEqual(stored)
    const { client, settled } = world.billing
    expect((await settled(() => client.audit())).body).toMatchObject({ differences: [], partnership_differences: [] })
    expect((await settled(() => client.admin('POST', '/admin/v1/logs/audits'))).body.differences).toEqual([])
    expect((await client.admin('GET', '/admin/v1/audit-log?action=shard.restored')).body.entries[0]).toMatchObject({ actor: 'offline', subject: '2' })
  }, 240_000)

  test('P1 P2: a backup from before the logs got new names is read on from where it ends, not from where the new names begin', async () => {
    await world.billing.stop()
    await world.cluster.backUp(2)
    await world.restart()
    await send('later', 400)
    const [before, stored] = [await usage(), await eventsPerServer(world.cluster.urls)]
    await world.billing.stop()
    // A move that is undone has changed nothing but the names of the logs.
    const interrupted = movePartition(world.environment, { partition: 0, to: 2 }, () => {
      throw new Error('interrupted')
    })
    await expect(interrupted).rejects.toThrow('interrupted')
    expect(await movePartition(world.environment, { partition: 0, to: 1 }, () => {})).toMatchObject({ status: 'undone' })
    await world.cluster.restore(2)
    await admitShard(world.environment, 2)
    await world.restart()
    await world.billing.untilComplete()
    expect([await usage(), await eventsPerServer(world.cluster.urls)]).toEqual([before, stored])
    expect((await world.billing.settled(() => world.billing.client.admin('POST', '/admin/v1/logs/audits'))).body.differences).toEqual([])
  }, 240_000)

  test('P3: a month is rebuilt on all shards, while no process counts', async () => {
    const before = await usage()
    const events = (await eventsPerServer(world.cluster.urls)).reduce((sum, ofServer) => sum + ofServer)
    await expect(rebuildOffline(world.environment, '2026-01')).rejects.toThrow(/counts events. Stop it first/)
    await world.billing.stop()
    await falsify()
    const [january, february] = [await rebuildOffline(world.environment, '2026-01'), await rebuildOffline(world.environment, '2026-02')]
    expect([january.differences_before, february.differences_before]).toEqual([2, 0])
    expect(january.events + february.events).toBe(events)
    await world.restart()
    await world.billing.untilComplete()
    expect(await usage()).toEqual(before)
    expect((await world.billing.settled(() => world.billing.client.audit())).body).toMatchObject({ differences: [], partnership_differences: [] })
  }, 240_000)

  test('a place that is none is an error that says which there are', async () => {
    await expect(admitShard(world.environment, 3)).rejects.toThrow('There is no shard 3: CLICKHOUSE_URLS lists 2. The first is 1.')
  })

  const seenOfShard = () =>
    withStore(async (clickhouse) => {
      const second = shardsOf(clickhouse)[1] ?? clickhouse
      const names = await second.control.query(logsOfShard, {})
      const owners = await Promise.all(names.map(({ name }) => currentLeaseOwner(second, name)))
      return { asOfMs: await readAsOf(clickhouse), owners, ...(await queryOne(clickhouse.reads, changesOfDays, {})) }
    })
  const untilMaterialized = () => untilSo(() => withStore(async ({ reads }) => (await queryOne(reads, outdatedDays, {})).days === 0))
  const falsify = () =>
    withStore(async (clickhouse) => {
      for (const { control } of shardsOf(clickhouse)) await control.command(COUNT_A_GROUP_TWICE)
    })

  async function withStore<T>(work: (clickhouse: ClickHouse) => Promise<T>): Promise<T> {
    const clickhouse = await openShards({ urls: world.cluster.urls })
    try {
      return await work(clickhouse)
    } finally {
      await clickhouse.close()
    }
  }
})

/** Of cumulative usage, which is wrong then. */
const COUNT_A_GROUP_TWICE = `INSERT INTO project_usage_per_day_v1 (project_id, usage_date, metric, log, labels, peak, total, events, last_event_at)
  SELECT project_id, usage_date, metric, log, labels, peak, total, events, last_event_at FROM project_usage_per_day_v1
  WHERE usage_date < '2026-02-01' AND metric = 'ai_tokens' ORDER BY project_id, usage_date LIMIT 1`

const logsOfShard = defineQuery({
  name: 'test_logs_of_shard',
  sql: `SELECT DISTINCT name FROM leases_v1 WHERE ${IS_LOG_OF_TOPIC}`,
  params: z.object({}),
  row: z.object({ name: z.string() }),
})

const outdatedDays = defineQuery({
  name: 'test_outdated_days',
  sql: 'SELECT count() AS days FROM usage_days_v1 WHERE kept < changes',
  params: z.object({}),
  row: z.object({ days: z.coerce.number() }),
})

const changesOfDays = defineQuery({
  name: 'test_changes_of_days',
  sql: 'SELECT min(changes) AS leastChanges, count() AS days FROM (SELECT usage_date, sum(changes) AS changes FROM usage_day_changes_v1 GROUP BY usage_date)',
  params: z.object({}),
  row: z.object({ leastChanges: z.coerce.number(), days: z.coerce.number() }),
})
