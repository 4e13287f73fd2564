import { AsyncLocalStorage } from 'node:async_hooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { StoreError, type StoreFault } from '../../sql/errors.ts'
import { limitReads } from '../../sql/limited-reads.ts'
import { defineQuery } from '../../sql/query.ts'
import { Keys, readByKey, readShared } from '../../sql/read-by-key.ts'
import { openTestStore, type TestStore } from '../support/engines/embedded-store.ts'
import { untilSo } from '../support/until-so.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

const squares = defineQuery({
  name: 'squares_of_keys',
  sql: `SELECT key, toUInt64(key) * toUInt64(key) * {factor: UInt64} AS square FROM (SELECT arrayJoin({keys: Array(String)}) AS key) WHERE key != '0'`,
  params: z.object({ ...Keys, factor: z.number() }),
  row: z.object({ key: z.string(), square: z.coerce.number() }),
})

/** The lane, and the keys of each statement that it ran. */
function counted(lane: Pick<Lane, 'query'>): { lane: Pick<Lane, 'query'>; statements: string[][] } {
  const statements: string[][] = []
  const query: Lane['query'] = (of, params) => {
    statements.push([...((params as { keys?: string[] }).keys ?? [])])
    return lane.query(of, params)
  }
  return { lane: { query }, statements }
}

/** Calls with the first key, and with the others when its statement has begun. */
async function oneThenOthers<R>(read: (key: string) => Promise<R>, statements: readonly unknown[], [first = '', ...others]: readonly string[]) {
  const one = read(first)
  one.catch(() => {})
  await untilSo(async () => statements.length > 0)
  return Promise.allSettled([one, ...others.map(read)])
}

function valuesOf<R>(outcomes: readonly PromiseSettledResult<R>[]): R[] {
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
}

/** A lane whose store fails in this way, whatever it is asked. */
function failing(fault: StoreFault) {
  const query: Lane['query'] = async () => {
    throw new StoreError(fault, 'It fails.')
  }
  return counted({ query })
}

test('a call alone has a statement of its own; those that wait meanwhile share the next one, each with its own rows', async () => {
  const { lane, statements } = counted(store.clickhouse.reads)
  const read = async (key: string) => (await readByKey(lane, squares, { key, factor: 1 })).map(({ square }) => square)
  expect(valuesOf(await oneThenOthers(read, statements, ['3', '4', '5', '0', '4']))).toEqual([[9], [16], [25], [], [16]])
  expect(statements).toEqual([['3'], ['4', '5', '0']])
  expect(await read('6')).toEqual([36])
  expect(statements).toHaveLength(3)
})

test('calls of the same turn share a statement, and so do the next calls of their callers', async () => {
  const { lane, statements } = counted(store.clickhouse.reads)
  const read = async (key: string) => (await readByKey(lane, squares, { key, factor: 1 }))[0]?.square
  const readTwice = async (key: string) => [await read(key), await read(key)]
  expect(await Promise.all(['1', '2', '3'].map(readTwice))).toEqual([1, 4, 9].map((square) => [square, square]))
  expect(statements).toEqual([
    ['1', '2', '3'],
    ['1', '2', '3'],
  ])
})

test('a statement runs in the context of a call that waits for it, also after a shared one', async () => {
  const caller = new AsyncLocalStorage<string>()
  const callers: unknown[] = []
  const query: Lane['query'] = (of, params) => {
    callers.push(caller.getStore())
    return store.clickhouse.reads.query(of, params)
  }
  const lane = { query }
  const read = (name: string, key: string) => caller.run(name, () => readByKey(lane, squares, { key, factor: 1 }))
  await Promise.all([read('first', '1'), read('beside it', '2')])
  await read('later', '3')
  expect(callers).toEqual(['first', 'later'])
})

test('calls with other parameters have other statements, and a call is answered by a statement that began after it', async () => {
  const { lane, statements } = counted(store.clickhouse.reads)
  const read = async (key: string, factor: number) => (await readByKey(lane, squares, { key, factor }))[0]?.square
  const calls = [read('3', 1), read('3', 2)]
  await untilSo(async () => statements.length === 2)
  expect(await Promise.all([...calls, read('3', 1)])).toEqual([9, 18, 9])
  expect(statements).toEqual([['3'], ['3'], ['3']])
})

test('a shared statement that fails is repeated for each key, so that a call gets its own error only', async () => {
  const { lane, statements } = counted(store.clickhouse.reads)
  const read = (key: string) => readByKey(lane, squares, { key, factor: 1 })
  const [first, good, bad, alsoGood] = await oneThenOthers(read, statements, ['1', '2', 'not a number', '3'])
  expect(first?.status).toBe('fulfilled')
  expect(good).toMatchObject({ status: 'fulfilled', value: [{ key: '2', square: 4 }] })
  expect(alsoGood).toMatchObject({ status: 'fulfilled', value: [{ key: '3', square: 9 }] })
  expect(bad).toMatchObject({ status: 'rejected', reason: expect.any(StoreError) })
  expect(statements).toEqual([['1'], ['2', 'not a number', '3'], ['2'], ['not a number'], ['3']])
})

test('when the store does not answer, all that share a statement get its error, and nothing is repeated', async () => {
  const { lane, statements } = failing('unavailable')
  const read = (key: string) => readByKey(lane, squares, { key, factor: 1 })
  const outcomes = await Promise.allSettled(['1', '2', '3', '4'].map(read))
  expect(outcomes.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
  expect(statements).toEqual([['1', '2', '3', '4']])
})

test('of keys that take too long each, two are tried, and the others are rejected like them', async () => {
  const { lane, statements } = failing('exhausted')
  const read = (key: string) => readByKey(lane, squares, { key, factor: 1 })
  const outcomes = await Promise.allSettled(['1', '2', '3', '4', '5'].map(read))
  expect(outcomes).toEqual(Array(5).fill({ status: 'rejected', reason: expect.objectContaining({ fault: 'exhausted' }) }))
  expect(statements).toEqual([['1', '2', '3', '4', '5'], ['1'], ['2']])
})

test('a limit on what a statement reads is that of one call', async () => {
  const numbers = defineQuery({
    name: 'numbers_of_keys',
    sql: `SELECT {keys: Array(String)}[intDiv(number, 500) + 1] AS key, count() AS rows FROM numbers(500 * length({keys: Array(String)})) GROUP BY key`,
    params: z.object(Keys),
    row: z.object({ key: z.string(), rows: z.coerce.number() }),
  })
  const { lane, statements } = counted(limitReads(store.clickhouse, { rowsMax: 700 }).reads)
  const read = (key: string) => readByKey(lane, numbers, { key })
  expect((await Promise.all([read('one'), read('other')])).flat()).toEqual([
    { key: 'one', rows: 500 },
    { key: 'other', rows: 500 },
  ])
  expect(statements).toEqual([['one', 'other'], ['one'], ['other']])
})

test('a row of a key that was not asked for is an error, and reaches nobody', async () => {
  const others = defineQuery({
    ...squares,
    name: 'rows_of_others',
    sql: `SELECT 'foreign' AS key, 1 AS square FROM (SELECT {keys: Array(String)}, {factor: UInt64})`,
  })
  await expect(readByKey(store.clickhouse.reads, others, { key: 'own', factor: 1 })).rejects.toThrow('which it was not asked for')
})

test('more keys than one statement may have are read by several', async () => {
  const { lane, statements } = counted(store.clickhouse.reads)
  const keys = Array.from({ length: 450 }, (_, index) => String(index + 1))
  const found = await Promise.all(keys.map((key) => readByKey(lane, squares, { key, factor: 1 })))
  expect(found.flat().map(({ square }) => square)).toEqual(keys.map((key) => Number(key) ** 2))
  expect(statements.map((each) => each.length)).toEqual([200, 200, 50])
})

test('calls of a query without keys share a statement if their parameters are equal', async () => {
  const now = defineQuery({
    name: 'sum_of_two',
    sql: 'SELECT {a: UInt64} + 1 AS sum',
    params: z.object({ a: z.number() }),
    row: z.object({ sum: z.coerce.number() }),
  })
  const { lane, statements } = counted(store.clickhouse.reads)
  const read = async (a: number) => (await readShared(lane, now, { a }))[0]?.sum
  expect(await Promise.all([read(1), read(1), read(1), read(2)])).toEqual([2, 2, 2, 3])
  expect(statements).toHaveLength(2)
})

test('with several shards, one that does not answer rejects only the calls of its own projects', async () => {
  const { lane, statements } = counted({
    query: async (of, params) => {
      if ((params as { keys: string[] }).keys.some((key) => Number(key) % 2 === 1)) throw new StoreError('unavailable', 'The second shard is down.')
      return store.clickhouse.reads.query(of, params)
    },
  })
  const reading = { ...lane, shardOfProject: (key: string) => Number(key) % 2 }
  const read = async (key: string) => (await readByKey(reading, squares, { key, factor: 1 })).map(({ square }) => square)
  const outcomes = await oneThenOthers(read, statements, ['2', '3', '4', '5', '6'])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
  expect(valuesOf(outcomes)).toEqual([[4], [16], [36]])
  expect(statements.slice(0, 2)).toEqual([['2'], ['3', '4', '5', '6']])
  expect(statements.slice(2).sort()).toEqual([
    ['3', '5'],
    ['4', '6'],
  ])
})
