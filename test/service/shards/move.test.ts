import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { findLogsInForce } from '../../../ingest/kafka/incarnation.ts'
import { findCorrectedDays } from '../../../ingest/log/corrected-days.ts'
import { KnownIdentities } from '../../../ingest/log/known-identities.ts'
import { OwnedLog } from '../../../ingest/log/owned-log.ts'
import { moveSlot } from '../../../ingest/repair/move-slot.ts'
import { addShard, listShards, movePartition } from '../../../service/change-shards.ts'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { acquireLease } from '../../../sql/lease.ts'
import { openShards } from '../../../sql/open-shards.ts'
import { defineQuery } from '../../../sql/query.ts'
import { IS_LOG_OF_TOPIC, shardOfPartition } from '../../../sql/shards.ts'
import { HAS_KAFKA } from '../../support/engines/kafka-broker.ts'
import { spawnMeterline } from '../../support/engines/service-process.ts'
import { ShardedBilling } from '../../support/worlds/sharded-billing.ts'
import { startTestService } from '../../support/worlds/test-service.ts'
import { eventsPerServer, PROJECTS } from '../../support/worlds/two-stores.ts'

const logger = pino({ level: 'silent' })

describe.skipIf(!HAS_KAFKA)('a store of two shards that gets a third one', () => {
  let world: ShardedBilling
  const [list, longerList]: [Record<string, string>, Record<string, string>] = [{}, {}]
  beforeAll(async () => {
    world = await ShardedBilling.start('moved', { servers: 3 })
    Object.assign(list, world.environment)
    Object.assign(longerList, list, { CLICKHOUSE_URLS: world.cluster.urls.join(','), CLICKHOUSE_CLUSTER: 'meterline' })
  }, 240_000)
  afterAll(() => world?.stop())

  const send = async (name: string, from: number) => expect(await world.send(name, from)).toBe(202)
  const usage = () => world.usage()
  const perServer = () => eventsPerServer(world.cluster.urls)
  const nothingDiffers = async () => {
    const { client, settled } = world.billing
    expect((await settled(() => client.audit())).body).toMatchObject({ differences: [], partnership_differences: [] })
    expect((await settled(() => client.admin('POST', '/admin/v1/logs/audits'))).body.differences).toEqual([])
  }
  const restart = async () => {
    await world.restart(longerList)
    await world.billing.untilComplete()
  }
  const move = (partition: number, to: number) => movePartition(longerList, { partition, to }, () => {})

  test('a server at the end of the list becomes a shard without projects, and every wrong list is an error that says what to do', async () => {
    await send('before', 0)
    const [before, stored] = [await usage(), await eventsPerServer(world.cluster.urls.slice(0, 2))]
    await world.billing.stop()
    await expect(startTestService(longerList)).rejects.toThrow(/distributed over 2 servers, and CLICKHOUSE_URLS lists 3.*"meterline shard add"/)
    expect(() => addShard({ ...list, CLICKHOUSE_URLS: '' })).toThrow(/lists no shards/)
    await expect(addShard(list)).rejects.toThrow(/distributed over 2 servers, and CLICKHOUSE_URLS lists 2. To add a server, write it at the end/)
    // The first call makes the tables of the new server, which a cluster that lists it needs. It may have been a wrong server.
    await expect(addShard({ ...longerList, CLICKHOUSE_CLUSTER: 'first_2' })).rejects.toThrow(/does not have the server at place 3 of 3 in CLICKHOUSE_URLS/)
    await onServer(3, ({ control }) => control.command('TRUNCATE TABLE shards_v1'))
    expect(await addShard(longerList)).toEqual({ shard: 3 })
    await expect(addShard(longerList)).rejects.toThrow(/distributed over 3 servers, and CLICKHOUSE_URLS lists 3. To add a server/)
    await expect(startTestService(list)).rejects.toThrow(/distributed over 3 servers, and CLICKHOUSE_URLS lists 2/)
    await restart()
    expect([await usage(), await perServer()]).toEqual([before, [...stored, 0]])
    await expect(move(1, 3)).rejects.toThrow(/counts events. Stop every process/)
  }, 240_000)

  test('P1 P2 P3: a partition is moved to it, killed at every step: nothing is lost or counts twice, and no process starts meanwhile', async () => {
    const before = await usage()
    const stored = await perServer()
    await world.billing.stop()
    const stale = await openShards({ urls: world.cluster.urls })
    for (const [partition, to, reason] of [
      [4, 3, 'has 4 partitions. The first is 0.'],
      [1, 4, 'There is no shard 4: CLICKHOUSE_URLS lists 3. The first is 1.'],
    ] as const)
      await expect(move(partition, to)).rejects.toThrow(reason)
    const owners = await ownersOf(2)

    const steps: string[] = []
    for (let step = await killedAtNewStep(steps); step !== undefined; step = await killedAtNewStep(steps)) {
      steps.push(step)
      if (/logs are ended|copies are equal|new names/.test(step))
        await expect(startTestService(longerList)).rejects.toThrow(/has begun and not ended. Run "meterline shard move 1 --to 3"/)
      if (/logs are ended/.test(step)) await expect(move(2, 3)).rejects.toThrow(/End it first: meterline shard move 1 --to 3. Or undo it/)
      if (/copies are equal/.test(step)) {
        await expect(move(1, 2)).rejects.toThrow(/can only be ended/)
        // As a crash leaves it between the parts of a partition.
        await onServer(3, ({ control }) => control.command('INSERT INTO project_usage_per_day_v1 SELECT * FROM moved_project_usage_per_day_v1 LIMIT 1'))
      }
    }
    expect(steps.slice(0, 2)).toEqual(['the logs are ended', expect.stringMatching(/^copied raw_usage_events_v1, 202601: \d+ rows/)])
    expect(steps.filter((step) => /^switched/.test(step))).toHaveLength(5)
    expect((await listShards(longerList)).shards.map(({ slots }) => slots)).toEqual([[0, 2], [3], [1]])

    await restart()
    expect(await usage()).toEqual(before)
    const moved = await perServer()
    expect(moved[0]).toBe(stored[0])
    expect(moved[2]).toBeGreaterThan(0)
    expect((moved[1] ?? 0) + (moved[2] ?? 0)).toBe(stored[1])
    // An owner of before cannot come back.
    await onServer(2, async (shard) => {
      expect(owners.length).toBeGreaterThan(0)
      for (const { name } of owners) expect((await acquireLease(shard, name)).status).toBe('outranked')
    })
    // And a process that slept meanwhile does not count on the shard of before, nor look there for the event of a correction.
    expect(await acquireWith(stale)).toMatch(/Partitions were moved to another shard since this process was started/)
    const correction = { projectId: PROJECTS[0] ?? '', eventId: 'c', corrects: 'before-0', action: 'void', revision: 1, reason: 'a test' } as const
    await expect(findCorrectedDays(stale, [correction as never])).rejects.toThrow(/Partitions were moved/)
    await stale.close()
    await nothingDiffers()
    expect((await world.billing.client.admin('GET', '/admin/v1/audit-log?action=shard.moved')).body.entries[0]).toMatchObject({
      actor: 'offline',
      subject: '1',
    })
  }, 400_000)

  test('P2: on the new shard a copy of a moved event is a duplicate, its correction counts, and new events count', async () => {
    const before = await perServer()
    await send('before', 0)
    expect(await perServer()).toEqual(before)
    const usageBefore = await usage()
    await send('after', 200)
    expect((await perServer()).reduce((sum, each) => sum + each)).toBe(before.reduce((sum, each) => sum + each) + 120)
    expect(await usage()).not.toEqual(usageBefore)
    await nothingDiffers()
  }, 240_000)

  test('a move can be undone while it copies, and partitions can be moved back', async () => {
    const before = await usage()
    await world.billing.stop()
    await world.cluster.backUp(3)
    expect(await killedAtNewStep([], 0)).toBe('the logs are ended')
    expect(await move(0, 1)).toMatchObject({ status: 'undone' })
    expect(await move(0, 1)).toMatchObject({ status: 'there already' })
    const stale = await openShards({ urls: world.cluster.urls })
    expect(await overtaken(1, 2)).toMatchObject({ status: 'moved', shard: 2 })
    // From the first server, which also coordinates, and back to it.
    expect([await move(0, 3), await move(0, 1)]).toMatchObject([{ status: 'moved' }, { status: 'moved' }])
    // A command that opened the store before another one ended would plan with its map.
    const options = { of: { database: 'meterline', cluster: 'meterline' }, note: async () => {}, progress: () => {} }
    await expect(moveSlot(stale, { partition: 2, to: 3 }, options)).rejects.toThrow(/Partitions were moved to another shard since/)
    await stale.close()
    await restart()
    expect(await usage()).toEqual(before)
    expect((await perServer())[2]).toBe(0)
    await nothingDiffers()

    await world.billing.stop()
    await world.cluster.restore(3)
    await expect(startTestService(longerList)).rejects.toThrow(/Shard 3 has the data of a backup from before partitions were moved/)
  }, 240_000)

  /** A command that is overtaken by a second one stops, and the second one ends the move. */
  async function overtaken(partition: number, to: number) {
    let second: ReturnType<typeof move> | undefined
    const first = movePartition(longerList, { partition, to }, (step) => {
      if (step.startsWith('copied')) second ??= move(partition, to)
    })
    await expect(first).rejects.toThrow(/Another "meterline shard" command has begun since/)
    return second
  }

  /** What happens to a process with this store that would go on with the log of partition 1. */
  async function acquireWith(clickhouse: ClickHouse): Promise<string> {
    const name = (await findLogsInForce(clickhouse.control)).find((log) => log.endsWith('/1')) ?? ''
    const shard = shardOfPartition(clickhouse, 1)
    const identities = new KnownIdentities({ clickhouse: shard, store: clickhouse, logger, filterBytesMax: 1_000_000 })
    const log = new OwnedLog({
      ...{ clickhouse, shard, lane: shard.ingest, name, source: name.replace(/\/\d+\/\d+$/, ''), identities, logger },
      scope: { partition: 1, partitions: 4 },
    })
    return log.acquire().then(
      () => 'acquired',
      (thrown: unknown) => String(thrown),
    )
  }

  /** Runs the move until its first step that is none of these, and kills it there. Undefined if it ended. Of the months, only at January. */
  async function killedAtNewStep(steps: readonly string[], partition = 1): Promise<string | undefined> {
    const child = spawnMeterline(['shard', 'move', String(partition), '--to', '3'], longerList)
    const exited = once(child, 'exit')
    const errors: string[] = []
    for await (const line of createInterface({ input: child.stderr ?? process.stdin })) {
      if (/^(the logs|copied \w+, (all|202601)|all copies|switched)/.test(line) && !steps.includes(line)) {
        child.kill('SIGKILL')
        await exited
        return line
      }
      if (/^error/.test(line)) errors.push(line)
    }
    await exited
    expect(errors).toEqual([])
    return undefined
  }

  const ownersOf = (shard: number) => onServer(shard, ({ control }) => control.query(logsOfShard, {}))

  async function onServer<T>(shard: number, work: (clickhouse: ClickHouse) => Promise<T>): Promise<T> {
    const clickhouse = await openClickHouse({ engine: 'server', url: world.cluster.urls[shard - 1] ?? '' })
    try {
      return await work(clickhouse)
    } finally {
      await clickhouse.close()
    }
  }
})

const logsOfShard = defineQuery({
  name: 'test_logs_of_source',
  sql: `SELECT DISTINCT name FROM leases_v1 WHERE ${IS_LOG_OF_TOPIC}`,
  params: z.object({}),
  row: z.object({ name: z.string() }),
})
