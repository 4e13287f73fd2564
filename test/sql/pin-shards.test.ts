import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../service/config.ts'
import { openStore, prepareStore } from '../../service/open-store.ts'
import { acquireLease } from '../../sql/lease.ts'
import { firstShardOf } from '../../sql/shards.ts'
import { type ClickHouseCluster, startClickHouseCluster } from '../support/engines/clickhouse-cluster.ts'
import { OF_OPERATORS } from '../support/worlds/two-stores.ts'

const logger = { info: () => {}, warn: () => {} }

describe('the ordered list of servers', () => {
  let cluster: ClickHouseCluster
  const opened = async (urls: readonly string[], { cluster: name = 'meterline', requireAll = true } = {}) => {
    const servers: Record<string, string> = urls.length === 1 ? { CLICKHOUSE_URL: urls[0] ?? '' } : { CLICKHOUSE_URLS: urls.join(',') }
    const config = readConfig({ ...OF_OPERATORS, ...servers, CLICKHOUSE_CLUSTER: name }, 'migrate')
    const clickhouse = await openStore(config, { logger, waitMsMax: 1_000 })
    try {
      return { clickhouse, applied: await prepareStore(config, clickhouse, { logger, to: requireAll ? 'work offline' : 'serve' }) }
    } catch (thrown) {
      await clickhouse.close()
      throw thrown
    }
  }
  const closed = async (urls: readonly string[], options = {}) => {
    const { clickhouse, applied } = await opened(urls, options)
    await clickhouse.close()
    return applied.length
  }
  const inDatabase = (name: string) => cluster.urls.map((url) => url.replace('/meterline', `/${name}`))

  beforeAll(async () => {
    cluster = await startClickHouseCluster(2)
  }, 120_000)
  afterAll(async () => cluster?.stop())

  test('is pinned at the first start, and the same list is accepted at every later one, also after a crash between two servers', async () => {
    const urls = inDatabase('pinned')
    expect(await closed(urls)).toBeGreaterThan(60)
    expect(await closed(urls)).toBe(0)
    // As a crash leaves it: the second server is pinned, and the first one does not know it yet.
    const { clickhouse } = await opened(urls)
    await firstShardOf(clickhouse).control.command('DELETE FROM shards_v1 WHERE shard = 2 SETTINGS mutations_sync = 2')
    await clickhouse.close()
    expect(await closed(urls)).toBe(0)
  }, 120_000)

  test('P6: another order, a missing server or another installation is an error that says what to do', async () => {
    const urls = inDatabase('ordered')
    await closed(urls)
    await expect(closed([...urls].reverse())).rejects.toThrow(/is shard 2\. The order was pinned at the first start: list the same servers in the same order/)
    const [first = '', second = ''] = urls
    for (const alone of [first, second])
      await expect(closed([alone])).rejects.toThrow(/is shard [12] of a store of several servers, so its usage is not complete\. Set CLICKHOUSE_URLS/)
    await expect(closed([...urls, inDatabase('ordered')[0]?.replace('127.0.0.1', 'localhost') ?? ''])).rejects.toThrow(
      /is distributed over 2 servers, and CLICKHOUSE_URLS lists 3/,
    )
  }, 120_000)

  test('P6: a server that lost its data, or has data of a store of one server, is an error', async () => {
    const urls = inDatabase('emptied')
    const { clickhouse } = await opened(urls)
    await clickhouse.shards?.[1]?.control.command('TRUNCATE TABLE shards_v1')
    await clickhouse.close()
    await expect(closed(urls)).rejects.toThrow(/has no data, but it had some: restore its backup/)

    const used = inDatabase('used')
    const alone = await opened([used[0] ?? ''])
    await acquireLease(alone.clickhouse, 'cluster/topic/1/0')
    await alone.clickhouse.close()
    await expect(closed(used)).rejects.toThrow(/has events that were counted by a store of one server/)
  }, 120_000)

  test('P6: a cluster that does not list the same servers in the same order is an error', async () => {
    const urls = inDatabase('clustered')
    await expect(closed(urls, { cluster: 'reversed' })).rejects.toThrow(/The cluster "reversed" in remote_servers of the first ClickHouse server does not have/)
  }, 120_000)
})
