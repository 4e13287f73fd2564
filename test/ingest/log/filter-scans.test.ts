import { afterAll, beforeAll, expect, test } from 'vitest'
import { FilterScans } from '../../../ingest/log/filter-scans.ts'
import { FilterBudget, IdentityFilter } from '../../../ingest/log/identity-filter.ts'
import { hashIdentity } from '../../../ingest/log/identity-hash.ts'
import { KnownIdentities } from '../../../ingest/log/known-identities.ts'
import { OwnedLog } from '../../../ingest/log/owned-log.ts'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import type { Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { queriesOf } from '../../support/query-trace.ts'
import { untilSo } from '../../support/until-so.ts'
import { storeRawEvents } from '../../support/worlds/store-raw-events.ts'

const EVENTS = 300
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const identityOf = (index: number) => [`p${index % 17}`, `e${index}`] as const

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
  await storeRawEvents(
    store.clickhouse,
    Array.from({ length: EVENTS }, (_, index) => [...identityOf(index), 'ai_tokens', '2026-01-10T00:00:00Z', '1', '2026-01-10T00:00:00Z'] as const),
  )
})
afterAll(() => store.close())

test('one scan fills the filters of all partitions that wait, each with the identities of its own projects', async () => {
  const scans = new FilterScans(store.clickhouse.reads)
  const budget = new FilterBudget(2 ** 24)
  const fills = [0, 1, 2].map((partition) => ({
    filter: new IdentityFilter({ identitiesExpected: 0, budget }),
    scope: { partition, partitions: 3 },
    signal: new AbortController().signal,
  }))
  const queries = await queriesOf(() => Promise.all(fills.map((fill) => scans.fill(fill))))
  expect(queries.filter((name) => name === 'stored_identities')).toHaveLength(1)
  for (const { filter, scope } of fills) {
    filter.complete = true
    const own = Array.from({ length: EVENTS }, (_, index) => identityOf(index)).filter(([projectId]) => partitionOfProject(projectId, 3) === scope.partition)
    expect(filter.identities).toBe(own.length)
    expect(own.every((identity) => filter.mayContain(hashIdentity(...identity)))).toBe(true)
  }
})

test('a fill that fails in the middle starts again with an empty filter, so that no identity is in it twice', async () => {
  const { clickhouse } = store
  let failures = 2
  const reads: Lane = {
    ...clickhouse.reads,
    bytes: async function* (query, params, format) {
      yield* clickhouse.reads.bytes(query, params, format)
      failures -= 1
      if (failures >= 0) throw new StoreError('unavailable', 'injected: the connection was lost')
    },
  }
  const identities = new KnownIdentities({ clickhouse: { ...clickhouse, reads }, logger: quiet, filterBytesMax: 2 ** 24, retryMs: 1 })
  const scope = { partition: 0, partitions: 1 }
  const owned = new OwnedLog({ clickhouse, shard: clickhouse, lane: clickhouse.ingest, name: 'http', source: 'http', scope, identities, logger: quiet })
  await owned.acquire()
  await untilSo(async () => owned.stats().filterComplete)
  expect(failures).toBe(-1)
  expect(owned.stats()).toMatchObject({ filterIdentities: EVENTS, filterFull: false })
  owned.close()
})
