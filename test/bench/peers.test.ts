import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLICKHOUSE_SHAPES, PROJECTS_ROWS, PROJECTS_TABLE, questionSql } from '../../bench/peers/clickhouse-shapes.ts'
import { type AnswerRow, answerOf, checkAnswer, exactAnswers, QUESTIONS } from '../../bench/peers/exact-answers.ts'
import { batchesOf, killedBatchOf, planOf } from '../../bench/peers/ingest-plan.ts'
import { eventsInClickHouse, makePeerEvent, valueText } from '../../bench/peers/peer-events.ts'
import { openEmbeddedSession } from '../../sql/embedded-session.ts'
import type { Session } from '../../sql/session.ts'
import { row } from '../../sql/tab-separated.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const TIMEOUT_MS = 30_000
const EVENTS = 20_000

describe('the ways to store events', () => {
  const directory = makeTemporaryDirectory()
  const plan = planOf(EVENTS)
  const exact = exactAnswers(EVENTS)
  let session: Session

  beforeAll(async () => {
    session = await openEmbeddedSession(directory.path)
    for (const sql of [PROJECTS_TABLE, PROJECTS_ROWS, ...CLICKHOUSE_SHAPES.flatMap(({ create }) => create)]) await session.run(sql, TIMEOUT_MS)
    const batches = batchesOf(plan)
    const again = batches.slice(killedBatchOf(batches))
    for (const { table, columns, row: fieldsOf, computed } of CLICKHOUSE_SHAPES) {
      for (const { numbers } of [...batches.slice(0, killedBatchOf(batches) + 1), ...again]) {
        const text = Buffer.from(numbers.map((number) => row(fieldsOf(makePeerEvent(number, EVENTS)))).join(''))
        await session.insert({ table, columns, settings: { async_insert: 0 }, text }, TIMEOUT_MS)
      }
      const rest = eventsInClickHouse(plan.sent, plan.events, EVENTS)
      await session.run(`INSERT INTO ${table} (${columns.join(', ')}) SELECT ${computed.join(', ')} FROM ${rest}`, TIMEOUT_MS)
    }
  })
  afterAll(async () => {
    await session.close()
    directory.remove()
  })

  async function ask(shape: (typeof CLICKHOUSE_SHAPES)[number], question: (typeof QUESTIONS)[number]) {
    const sql = `${questionSql(shape, question)} SETTINGS output_format_json_quote_decimals = 1 FORMAT JSON`
    return answerOf((JSON.parse(await session.run(sql, TIMEOUT_MS)) as { data: AnswerRow[] }).data)
  }

  test('answers of a shape that removes duplicates are exact, and those of shapes that count a repeated batch twice are reported as wrong and too high', async () => {
    for (const shape of CLICKHOUSE_SHAPES) {
      const verdict = checkAnswer(await ask(shape, 'all_partners_month'), exact.all_partners_month)
      if (shape.name === 'final') expect(verdict).toEqual({ quantities: 90, wrong: 0, tooHigh: 0 })
      else expect([shape.name, verdict.quantities, verdict.wrong > 60, verdict.tooHigh]).toEqual([shape.name, 90, true, verdict.wrong])
    }
  })

  test('every question has an exact answer where duplicates are removed', async () => {
    const shape = CLICKHOUSE_SHAPES.find(({ name }) => name === 'final')
    if (shape === undefined) throw new Error('There is no such shape.')
    for (const question of QUESTIONS) expect([question, checkAnswer(await ask(shape, question), exact[question]).wrong]).toEqual([question, 0])
  })

  test('an answer with one missing quantity, one unknown partner or one digit more is wrong', () => {
    const right = exact.partner_month
    const quantities = right.get('partner_0') ?? {}
    const { ai_tokens: tokens = '', ...others } = quantities
    expect(checkAnswer(right, right)).toEqual({ quantities: 9, wrong: 0, tooHigh: 0 })
    expect(checkAnswer(new Map([['partner_0', others]]), right)).toEqual({ quantities: 9, wrong: 1, tooHigh: 0 })
    expect(checkAnswer(new Map([...right, ['partner_1', quantities]]), right).wrong).toBe(1)
    const oneDigitMore = `${tokens}${tokens.includes('.') ? '' : '.'}000001`
    expect(checkAnswer(new Map([['partner_0', { ...others, ai_tokens: oneDigitMore }]]), right)).toEqual({ quantities: 9, wrong: 1, tooHigh: 1 })
  })

  test('the engine computes the same events as TypeScript', async () => {
    const sql = `SELECT event_id, project_id, metric, toUnixTimestamp64Milli(timestamp), toString(value) FROM ${eventsInClickHouse(990, 1_010, EVENTS)} ORDER BY number FORMAT TSV`
    const expected = Array.from({ length: 20 }, (_, index) => makePeerEvent(990 + index, EVENTS)).map((event) =>
      [event.event_id, event.project_id, event.metric, event.timestampMs, valueText(event)].join('\t'),
    )
    expect((await session.run(sql, TIMEOUT_MS)).trimEnd().split('\n')).toEqual(expected)
  })
})
