import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { bindParameters, defineQuery } from '../../sql/query.ts'
import { openTestStore, type TestStore } from '../support/engines/embedded-store.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

/** Texts that have broken out of SQL literals elsewhere. They are mixed with random characters. */
const INJECTIONS = [
  "'",
  "''",
  "\\'",
  '\\',
  '\\\\',
  "\\\\'",
  '"',
  '`',
  "' OR 1 = 1 --",
  "'); DROP TABLE raw_usage_events_v1; --",
  '/*',
  '*/',
  '--',
  ';',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '\\0',
  '\\n',
  '\\x27',
  '{text: String}',
  '$1',
  '$&',
  "$'",
  '%',
  '\u2019',
  '\uff07',
  '\u0085',
  '\ufeff',
  '👩‍👩‍👧',
  'e\u0301',
  'NULL',
  '\\N',
]
const anyText = fc
  .array(fc.oneof(fc.constantFrom(...INJECTIONS), fc.string({ unit: 'binary', maxLength: 20 })), { maxLength: 8 })
  .map((chunks) => chunks.join(''))

test(`every text arrives unchanged as a parameter, alone, in lists and in tuples (seed ${SEED})`, async () => {
  const property = fc.asyncProperty(fc.array(anyText, { minLength: 1, maxLength: 40 }), async (texts) => {
    const pairs = texts.map((text, index): [string, string] => [text, texts.at(-index) ?? ''])
    const [echo] = await store.clickhouse.reads.query(echoTexts, { text: texts[0] ?? '', texts, pairs })
    expect(echo).toEqual({ text: texts[0], texts, pairs })
  })
  await fc.assert(property, { seed: SEED, numRuns: 60, examples: INJECTIONS.map((text) => [[text]]) })
})

test(`a text parameter equals the same text and no other (seed ${SEED})`, async () => {
  const property = fc.asyncProperty(anyText, anyText, async (text, other) => {
    const [found] = await store.clickhouse.reads.query(countEqual, { text, texts: [text, other] })
    expect(found).toEqual({ equal: text === other ? 2 : 1 })
  })
  await fc.assert(property, { seed: SEED, numRuns: 40 })
})

test('numbers and days arrive unchanged as parameters', async () => {
  const values = { unsigned: Number.MAX_SAFE_INTEGER, signed: -Number.MAX_SAFE_INTEGER, day: '2024-02-29', none: [] }
  const [echo] = await store.clickhouse.reads.query(echoNumbers, values)
  expect(echo).toEqual({ unsigned: '9007199254740991', signed: '-9007199254740991', day: '2024-02-29', none: [] })
})

test('a value that does not match the type of its placeholder is rejected before anything is sent', () => {
  const mismatches: [type: string, value: unknown][] = [
    ['String', 1],
    ['String', null],
    ['String', ['a']],
    ['Date', '2026-1-01'],
    ['Date', "2026-01-01') --"],
    ['UInt64', -1],
    ['UInt64', 1.5],
    ['UInt64', 2 ** 53],
    ['UInt64', '1'],
    ['UInt64', Number.NaN],
    ['Int64', '1; SELECT 1'],
    ['Int64', Number.POSITIVE_INFINITY],
    ['Array(String)', 'a'],
    ['Array(String)', [1]],
    ['Array(UInt64)', ['1']],
    ['Tuple(String, UInt64)', ['a', 'b']],
    ['Tuple(String, String)', ['a', 'b', 'c']],
    ['Float64', 1.5],
    ['Nullable(String)', null],
  ]
  for (const [type, value] of mismatches) expect(() => bindParameters(`SELECT {value: ${type}}`, { value }), `${type} ${String(value)}`).toThrow(/is not a/)
  expect(() => bindParameters('SELECT {missing: String}', {})).toThrow('The parameter {missing: String} has no value.')
  expect(() => bindParameters('SELECT {toString: String}', {})).toThrow('has no value')
})

test('parameters that do not match the schema of a query are rejected', async () => {
  const mistyped = { text: 1, texts: [] } as unknown as { text: string; texts: string[] }
  await expect(store.clickhouse.reads.query(countEqual, mistyped)).rejects.toThrow(/expected string/)
})

test('P6: a row that does not match the schema of its query is an error, never a number', async () => {
  const asNumber = defineQuery({
    name: 'test_other_schema',
    sql: 'SELECT toDecimal128(1.5, 9) AS total',
    params: z.object({}),
    row: z.object({ total: z.number() }),
  })
  await expect(store.clickhouse.reads.query(asNumber, {})).rejects.toMatchObject({ fault: 'fault', message: expect.stringContaining('test_other_schema') })
  const missing = defineQuery({ name: 'test_missing_column', sql: 'SELECT 1 AS one', params: z.object({}), row: z.object({ two: z.number() }) })
  await expect(store.clickhouse.reads.query(missing, {})).rejects.toMatchObject({ name: 'StoreError', fault: 'fault' })
  const nothing = defineQuery({ name: 'test_null', sql: 'SELECT NULL AS total', params: z.object({}), row: z.object({ total: z.string() }) })
  await expect(store.clickhouse.reads.query(nothing, {})).rejects.toMatchObject({ name: 'StoreError', fault: 'fault' })
})

test('P6: decimals and integers above 2^53 are returned with all their digits', async () => {
  expect(await store.clickhouse.reads.query(exactNumbers, {})).toEqual([
    {
      above: '9007199254740993',
      greatest: '18446744073709551615',
      least: '-9223372036854775808',
      value: '99999999999999999999999999999.999999999',
      sum: '199999999999999999999999999999.999999998',
      thirds: '0.1',
    },
  ])
})

test('the lines of a long result are returned complete and in order', async () => {
  let expected = 0
  for await (const lines of store.clickhouse.reads.lines(manyLines, {})) {
    for (const line of lines) {
      if (line === '') continue
      if (line !== `${expected}\tü\\t${expected}`) expect(line).toBe(`${expected}\tü\\t${expected}`)
      expected += 1
    }
  }
  expect(expected).toBe(300_000)
})

const Text = z.object({ text: z.string(), texts: z.array(z.string()), pairs: z.array(z.tuple([z.string(), z.string()])) })

const echoTexts = defineQuery({
  name: 'test_echo_texts',
  sql: 'SELECT {text: String} AS text, {texts: Array(String)} AS texts, {pairs: Array(Tuple(String, String))} AS pairs',
  params: Text,
  row: Text,
})

const countEqual = defineQuery({
  name: 'test_count_equal',
  sql: 'SELECT toUInt32(countIf(each = {text: String})) AS equal FROM (SELECT arrayJoin({texts: Array(String)}) AS each)',
  params: z.object({ text: z.string(), texts: z.array(z.string()) }),
  row: z.object({ equal: z.number() }),
})

const echoNumbers = defineQuery({
  name: 'test_echo_numbers',
  sql: 'SELECT {unsigned: UInt64} AS unsigned, {signed: Int64} AS signed, {day: Date} AS day, {none: Array(Tuple(String, UInt64))} AS none',
  params: z.object({ unsigned: z.number(), signed: z.number(), day: z.string(), none: z.array(z.tuple([z.string(), z.number()])) }),
  row: z.object({ unsigned: z.string(), signed: z.string(), day: z.string(), none: z.array(z.unknown()) }),
})

const exactNumbers = defineQuery({
  name: 'test_exact_numbers',
  sql: `SELECT
          toUInt64(9007199254740993) AS above,
          toUInt64(18446744073709551615) AS greatest,
          toInt64('-9223372036854775808') AS least,
          toDecimal128('99999999999999999999999999999.999999999', 9) AS value,
          sum(toDecimal256(value, 9)) AS sum,
          toDecimal128('0.1', 9) AS thirds
        FROM numbers(2)`,
  params: z.object({}),
  row: z.object({ above: z.string(), greatest: z.string(), least: z.string(), value: z.string(), sum: z.string(), thirds: z.string() }),
})

const manyLines = defineQuery({
  name: 'test_many_lines',
  sql: `SELECT number, concat('ü\\t', toString(number)) FROM numbers(300000)`,
  params: z.object({}),
  row: z.object({}),
})
