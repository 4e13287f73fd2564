import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { closeMonth } from '../../../aggregator/statements/close-month.ts'
import { addManualAdjustment, type ManualAdjustment } from '../../../aggregator/statements/manual-adjustments.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  const partner = await client.createPartner('Watermark')
  await untilSo(async () => (await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.as_of !== null)
})
afterAll(() => tested.stop())

/** Two months, the first of them closed and then corrected, so that the second statement has every kind of line. */
async function world(name: string): Promise<Credentials> {
  const { client } = tested
  const partner = await client.createPartner(name)
  await client.billFrom(partner.partnerId, '2026-03')
  const event = (event_id: string, metric: string, value: number, timestamp: string) => ({ event_id, project_id: `${name}-p`, metric, value, timestamp })
  await client.registerProject(`${name}-p`, partner.partnerId)
  await client.send([event('1', 'ai_tokens', 5, '2026-03-03T00:00:00Z'), event('2', 'database_size_bytes', 7, '2026-04-03T00:00:00Z')])
  expect((await client.closeMonth(partner.partnerId, '2026-03')).status).toBe(200)
  await client.send([event('3', 'ai_tokens', 2, '2026-03-04T00:00:00Z')])
  await client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, {
    for_month: '2026-03',
    metric: 'ai_tokens',
    value: '-1',
    reason: 'agreed',
  })
  return partner
}

const request = (partner: Credentials) => ({ partnerId: partner.partnerId, month: '2026-04', closedBy: 'operator' as const })
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const optionsOf = (clickhouse: ClickHouse) => ({
  clickhouse,
  runBetweenBatches: <T>(work: () => Promise<T>) => work(),
  now: Date.now,
  note: async () => {},
  logger: quiet,
})

/** The same store, but the nth write of a closing fails, either before it is sent or after it is stored. */
function failingAt(clickhouse: ClickHouse, nth: number, stored: boolean): { clickhouse: ClickHouse; writes: () => number } {
  let writes = 0
  const failing = async (send: () => Promise<void>) => {
    writes += 1
    if (writes !== nth) return send()
    if (stored) await send()
    throw new StoreError('unavailable', 'injected')
  }
  const { work } = clickhouse
  const lane: ClickHouse['work'] = {
    ...work,
    insert: (rows) => failing(() => work.insert(rows)),
    execute: (...statement) => failing(() => work.execute(...statement)),
  }
  return { clickhouse: { ...clickhouse, work: lane }, writes: () => writes }
}

/** The writes of closing the second month of a world. */
const WRITES = 7
/** The time for nine worlds one after another, each closed two or three times. */
const WORLDS_MS_MAX = 360_000

test(
  'P4: a closing that fails at any of its writes leaves no statement or the complete one, and a retry closes the month',
  async () => {
    const { client, service } = tested
    const whole = await world('whole')
    const counting = failingAt(service.clickhouse, 0, false)
    expect((await closeMonth(optionsOf(counting.clickhouse), request(whole))).status).toBe('closed')
    // Two recounts and their events, three kinds of lines, and the header.
    expect(counting.writes()).toBe(WRITES)
    const linesOf = async (partner: Credentials, name: string) => {
      const { totals, projects, adjustments } = (await client.statement(partner, '2026-04')).body
      return JSON.parse(JSON.stringify({ totals, projects, adjustments }).replaceAll(`${name}-p`, 'p'))
    }
    const expected = await linesOf(whole, 'whole')
    expect(expected.adjustments).toHaveLength(2)
    for (let nth = 1; nth <= counting.writes(); nth += 1) {
      // What fails before a later write finds the same store as what failed after the write before it.
      for (const stored of nth === 1 ? [false, true] : [true]) {
        const name = `dies-${nth}-${stored ? 'after' : 'before'}`
        const partner = await world(name)
        const failing = failingAt(service.clickhouse, nth, stored)
        await expect(closeMonth(optionsOf(failing.clickhouse), request(partner))).rejects.toThrow('injected')
        const isCommitted = nth === counting.writes() && stored
        expect((await client.statement(partner, '2026-04')).body.statement.status, name).toBe(isCommitted ? 'closed' : 'open')
        const before = isCommitted ? await client.statement(partner, '2026-04') : undefined
        expect((await client.closeMonth(partner.partnerId, '2026-04')).status, name).toBe(200)
        const after = await client.statement(partner, '2026-04')
        if (before !== undefined) expect(after.text).toBe(before.text)
        expect(await linesOf(partner, name), name).toEqual(expected)
        expect(await rowsWithoutStatement(partner), name).toEqual([])
      }
    }
  },
  WORLDS_MS_MAX,
)

/** The same store, but before the nth write of a closing something else happens. */
function interruptedAt(clickhouse: ClickHouse, nth: number, interrupt: () => Promise<void>): ClickHouse {
  let writes = 0
  const interrupted = async (send: () => Promise<void>) => {
    writes += 1
    if (writes === nth) await interrupt()
    return send()
  }
  const { work } = clickhouse
  const lane: ClickHouse['work'] = {
    ...work,
    insert: (rows) => interrupted(() => work.insert(rows)),
    execute: (...statement) => interrupted(() => work.execute(...statement)),
  }
  return { ...clickhouse, work: lane }
}

const MANUAL = { for_month: '2026-03', metric: 'ai_tokens', value: '5', reason: 'agreed' }

test(
  'P4: a manual adjustment that is added while a month closes is billed once, on the statement that the answer names',
  async () => {
    const { client, service } = tested
    // Before the recount, the manual lines and the header.
    for (const nth of [1, WRITES - 1, WRITES]) {
      const partner = await world(`meets-${nth}`)
      const adjust = () => client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, { ...MANUAL, id: 'credit' })
      let added: Answer | undefined
      const clickhouse = interruptedAt(service.clickhouse, nth, async () => {
        added = await adjust()
      })
      await closeMonth(optionsOf(clickhouse), request(partner))
      expect(added?.status, `before write ${nth}`).toBe(201)
      for (const month of ['2026-04', '2026-05']) {
        const { adjustments } = (await client.closeMonth(partner.partnerId, month)).body
        const billed = adjustments.filter((line: { kind: string; value: string }) => line.kind === 'manual' && line.value === '5').length
        expect([month, billed], `before write ${nth}`).toEqual([month, month === added?.body.statement ? 1 : 0])
      }
      expect((await adjust()).body).toEqual(added?.body)
    }
  },
  WORLDS_MS_MAX,
)

test('P4: a manual adjustment does not interrupt a closing of its partner in the same process, and is added once the month is closed', async () => {
  const { client, service } = tested
  const partner = await world('undisturbed')
  const adjust = () => client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, { ...MANUAL, id: 'credit' })
  let met: Answer | undefined
  const note = async () => {
    met = await adjust()
  }
  expect((await closeMonth({ ...optionsOf(service.clickhouse), note }, request(partner))).status).toBe('closed')
  expect([met?.status, met?.body.code]).toEqual([409, 'CLOSING_ELSEWHERE'])
  expect((await adjust()).body).toEqual({ id: 'credit', statement: '2026-05' })
})

test('P4: of two manual adjustments with one id that are sent at the same time, one is billed and a different one is a conflict', async () => {
  const { client } = tested
  const partner = await world('one-id')
  for (let round = 0; round < 5; round += 1) {
    const put = (value: string) => client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, { ...MANUAL, id: `round-${round}`, value })
    const answers = await Promise.all([put('7'), put('8'), put('7')])
    const added = answers.filter(({ status }) => status === 201)
    expect(answers.filter(({ status, body }) => status !== 201 && body.code !== 'MANUAL_LINE_EXISTS')).toEqual([])
    // Either the two equal ones were added, or the other one.
    expect(added).toHaveLength(answers[1]?.status === 201 ? 1 : 2)
    // The same between processes, which do not queue for each other.
    const { clickhouse } = tested.service
    const add = (value: string) =>
      addManualAdjustment({ clickhouse: { ...clickhouse }, note: async () => {} }, partner.partnerId, entryOf(`raced-${round}`, value))
    expect((await Promise.all([add('7'), add('8')])).map(({ status }) => status).sort()).toEqual(['added', 'another'])
  }
})

function entryOf(entry: string, value: string): ManualAdjustment {
  return { entry, forMonth: '2026-03', projectId: '', metric: 'ai_tokens', value, reason: 'agreed' }
}

test('P4: concurrent closings of a month produce one statement, and every successful response has the same bytes', async () => {
  const { client, service } = tested
  const partner = await world('race')
  const outcomes = await Promise.all(
    // Each with a copy of the client, as in a process of its own: within one process the others back off.
    Array.from({ length: 8 }, () =>
      closeMonth(optionsOf({ ...service.clickhouse }), request(partner)).catch((error: unknown) => ({ status: 'failed', error })),
    ),
  )
  // A closing that lost its lease was killed, was rejected by the fence, or backed off; each can be retried.
  expect(outcomes.filter(({ status }) => !['closed', 'elsewhere', 'failed'].includes(status))).toEqual([])
  const answers = await Promise.all(Array.from({ length: 4 }, () => client.closeMonth(partner.partnerId, '2026-04')))
  const texts = new Set(answers.filter(({ status }) => status === 200).map(({ text }) => text))
  expect((await client.closeMonth(partner.partnerId, '2026-04')).status).toBe(200)
  expect(texts.size).toBeLessThanOrEqual(1)
  const headers = await service.clickhouse.reads.query({ ...headersOf, settings: {} }, { partnerId: partner.partnerId })
  expect(headers.map(({ month }) => month)).toEqual(['2026-03', '2026-04'])
})

function rowsWithoutStatement({ partnerId }: Credentials) {
  return tested.service.clickhouse.reads.query({ ...withoutStatement, settings: {} }, { partnerId })
}

const withoutStatement = {
  name: 'rows_without_statement',
  sql: `SELECT DISTINCT closing FROM (
          SELECT closing FROM statement_recounts_v1 WHERE partner_id = {partnerId: String}
          UNION ALL SELECT closing FROM statement_lines_v1 WHERE partner_id = {partnerId: String}
        ) WHERE closing NOT IN (SELECT closing FROM statements_v1)`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ closing: z.string() }),
}

const headersOf = {
  name: 'headers_in_store',
  sql: 'SELECT month FROM statements_v1 WHERE partner_id = {partnerId: String} ORDER BY month',
  params: z.object({ partnerId: z.string() }),
  row: z.object({ month: z.string() }),
}
