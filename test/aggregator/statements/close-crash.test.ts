import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeMonth } from '../../../aggregator/statements/close-month.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import type { Credentials } from '../../support/clients/client.ts'
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

/** The time for thirteen worlds one after another, each closed two or three times. */
const WORLDS_MS_MAX = 180_000

test(
  'P4: a closing that fails at any of its writes leaves no statement or the complete one, and a retry closes the month',
  async () => {
    const { client, service } = tested
    const whole = await world('whole')
    const counting = failingAt(service.clickhouse, 0, false)
    expect((await closeMonth(optionsOf(counting.clickhouse), request(whole))).status).toBe('closed')
    // Two recounts, three kinds of lines, and the header.
    expect(counting.writes()).toBe(6)
    const linesOf = async (partner: Credentials, name: string) => {
      const { totals, projects, adjustments } = (await client.statement(partner, '2026-04')).body
      return JSON.parse(JSON.stringify({ totals, projects, adjustments }).replaceAll(`${name}-p`, 'p'))
    }
    const expected = await linesOf(whole, 'whole')
    expect(expected.adjustments).toHaveLength(2)
    for (let nth = 1; nth <= counting.writes(); nth += 1) {
      for (const stored of [false, true]) {
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
      }
    }
  },
  WORLDS_MS_MAX,
)

test('P4: concurrent closings of a month produce one statement, and every successful response has the same bytes', async () => {
  const { client, service } = tested
  const partner = await world('race')
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, () => closeMonth(optionsOf(service.clickhouse), request(partner)).catch((error: unknown) => ({ status: 'failed', error }))),
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

import { z } from 'zod'

const headersOf = {
  name: 'headers_in_store',
  sql: 'SELECT month FROM statements_v1 WHERE partner_id = {partnerId: String} ORDER BY month',
  params: z.object({ partnerId: z.string() }),
  row: z.object({ month: z.string() }),
}
