import { expect, test } from 'vitest'
import { untilSo } from '../until-so.ts'
import { startClickHouseCluster } from './clickhouse-cluster.ts'

const KILLS = 3

test('a ClickHouse server of a cluster goes on when the server that reads it is killed', async () => {
  const cluster = await startClickHouseCluster(2)
  const [reader = '', read = ''] = cluster.urls.map((url) => new URL('/', url).href)
  const ask = async (server: string, sql: string) => (await fetch(server, { method: 'POST', body: sql })).text()
  for (let kill = 0; kill < KILLS; kill += 1) {
    const reading = ask(reader, "SELECT repeat('x', 1000) FROM clusterAllReplicas('meterline', numbers(100000000)) FORMAT Null").catch(() => {})
    await untilSo(async () => (await ask(read, 'SELECT count() FROM system.processes WHERE NOT is_initial_query')) === '1\n')
    await cluster.kill(1)
    await reading
    await untilSo(async () => (await ask(read, 'SELECT count() FROM system.processes WHERE NOT is_initial_query')) === '0\n')
    expect(await ask(read, 'SELECT 1')).toBe('1\n')
    await cluster.restart(1)
  }
  await cluster.stop()
})
