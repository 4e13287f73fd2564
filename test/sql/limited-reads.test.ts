import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { limitReads } from '../../sql/limited-reads.ts'
import { defineQuery } from '../../sql/query.ts'
import type { Settings } from '../../sql/session.ts'
import { openTestStore, type TestStore } from '../support/engines/embedded-store.ts'

let store: TestStore
let limited: ClickHouse
beforeAll(async () => {
  store = await openTestStore()
  limited = limitReads(store.clickhouse, { rowsMax: 1_000_000 })
})
afterAll(() => store.close())

const Numbers = { params: z.object({}), row: z.object({ sum: z.string() }) }
const summing = (name: string, sql: string, settings?: Settings) => defineQuery({ name, sql, ...Numbers, ...(settings && { settings }) })
const SHORT = summing('sum_of_few_numbers', 'SELECT toString(sum(number)) AS sum FROM numbers(1000)')
const MANY_ROWS = summing('sum_of_many_numbers', 'SELECT toString(sum(number)) AS sum FROM numbers(20000000)')
const LONG = summing('sum_that_takes_long', 'SELECT toString(sum(sleepEachRow(0.1))) AS sum FROM numbers(100)', { max_execution_time: 1, max_block_size: 1 })
const LARGE = summing('all_numbers_in_memory', 'SELECT toString(length(groupArray(number))) AS sum FROM numbers(900000000)')
const MANY_RESULTS = summing('many_result_rows', 'SELECT toString(number + each) AS sum FROM numbers(1200) ARRAY JOIN range(1000) AS each')

test('a limited query that would read or return too much is rejected as too large, not as unavailable', async () => {
  expect(await limited.reads.query(SHORT, {})).toEqual([{ sum: '499500' }])
  for (const query of [MANY_ROWS, MANY_RESULTS]) await expect(limited.reads.query(query, {}), query.name).rejects.toMatchObject({ fault: 'too_large' })
})

test('a limited query that takes too long or too much memory is reported as exhausted, because a retry may succeed', async () => {
  const roomy = limitReads(store.clickhouse, { rowsMax: 1_000_000_000 }).reads
  for (const [lane, query, code] of [
    [limited.reads, LONG, 159],
    [roomy, LARGE, 241],
  ] as const)
    await expect(lane.query(query, {}), query.name).rejects.toMatchObject({ fault: 'exhausted', code })
})

test('streamed queries and all other lanes have the same limits', async () => {
  const lines = async () => {
    for await (const _ of limited.reads.lines(MANY_ROWS, {})) expect.unreachable()
  }
  await expect(lines()).rejects.toMatchObject({ fault: 'too_large' })
  for (const lane of [limited.work, limited.registry, await limited.openLane()])
    await expect(lane.query(MANY_ROWS, {})).rejects.toMatchObject({ fault: 'too_large' })
})

test('internal queries may use 8 GiB of memory, external ones 2 GiB', async () => {
  const setting = summing('memory_limit', "SELECT toString(getSetting('max_memory_usage')) AS sum")
  expect(await store.clickhouse.work.query(setting, {})).toEqual([{ sum: String(8 * 1024 ** 3) }])
  expect(await limited.reads.query(setting, {})).toEqual([{ sum: String(2 * 1024 ** 3) }])
})

test('internal queries have no limit on rows and are unavailable when they take too long', async () => {
  expect(await store.clickhouse.reads.query(MANY_ROWS, {})).toEqual([{ sum: '199999990000000' }])
  expect(await store.clickhouse.work.query(MANY_ROWS, {})).toEqual([{ sum: '199999990000000' }])
  await expect(store.clickhouse.reads.query(LONG, {})).rejects.toMatchObject({ fault: 'unavailable' })
})
