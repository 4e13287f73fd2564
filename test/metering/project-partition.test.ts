import fc from 'fast-check'
import { Partitioners } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { partitionOfProject } from '../../metering/project-partition.ts'
import { defineQuery } from '../../sql/query.ts'
import { openTestStore, type TestStore } from '../support/engines/embedded-store.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

const CHARACTERS = 'ABCXYZabcxyz0189_.:-'.split('')
const projectId = fc.array(fc.constantFrom(...CHARACTERS), { minLength: 1, maxLength: 128 }).map((characters) => characters.join(''))

test('P2: kafkajs, ClickHouse and this service compute the same partition for a project', async () => {
  const partitionMetadata = (partitions: number) => Array.from({ length: partitions }, (_, partitionId) => ({ partitionId, leader: 1 }))
  const byKafkajs = Partitioners.DefaultPartitioner()
  await fc.assert(
    fc.asyncProperty(projectId, fc.integer({ min: 1, max: 100 }), async (id, partitions) => {
      const ours = partitionOfProject(id, partitions)
      expect(byKafkajs({ topic: 't', message: { key: id, value: null }, partitionMetadata: partitionMetadata(partitions) as never })).toBe(ours)
      const [row] = await store.clickhouse.reads.query(partitionInStore, { id, partitions })
      expect(row?.partition).toBe(ours)
    }),
    { numRuns: 200 },
  )
})

const partitionInStore = defineQuery({
  name: 'test_partition_in_store',
  sql: 'SELECT bitAnd(kafkaMurmurHash({id: String}), 2147483647) % {partitions: UInt64} AS partition',
  params: z.object({ id: z.string(), partitions: z.number() }),
  row: z.object({ partition: z.coerce.number() }),
})
