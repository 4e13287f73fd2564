import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PastMonthsBudget } from '../../../api/http/past-months-budget.ts'
import { submissionOf } from '../../support/worlds/submission.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const RECEIVED_MS = Date.UTC(2026, 10, 28)

/** Events of this many months before October 2026, of `perMonth` events each. */
function pastEvents(months: number, perMonth = 1) {
  const events = Array.from({ length: months * perMonth }, (_, index) => ({
    event_id: `e${index}`,
    project_id: 'p',
    metric: 'ai_tokens',
    value: '1',
    timestamp: new Date(Date.UTC(2026, 8 - (index % months), 1)).toISOString(),
  }))
  return submissionOf(events, RECEIVED_MS).validated
}

describe('the budget of past months', () => {
  test('a key that overdraws its budget waits until it is earned again, and no other key does', () => {
    let nowMs = 0
    const budget = new PastMonthsBudget({ monthsPerMinute: 60, nowMs: () => nowMs })
    budget.spend('a', pastEvents(100), RECEIVED_MS)
    nowMs += 1_000
    expect(() => budget.spend('a', pastEvents(1), RECEIVED_MS)).toThrow(
      expect.objectContaining({ code: 'PAST_MONTHS_LIMITED', status: 429, retryAfterSeconds: 40 }),
    )
    budget.spend('b', pastEvents(1), RECEIVED_MS)
    nowMs += 39_000
    expect(() => budget.spend('a', pastEvents(1), RECEIVED_MS)).toThrow()
    nowMs += 1_000
    budget.spend('a', pastEvents(1), RECEIVED_MS)
  })

  test('a month costs once a second, however many requests and events of it arrive: loading old events month by month is not limited', () => {
    let nowMs = 0
    const budget = new PastMonthsBudget({ monthsPerMinute: 600, nowMs: () => nowMs })
    for (let request = 0; request < 60_000; request += 1) {
      budget.spend('a', pastEvents(1, 2), RECEIVED_MS)
      nowMs += 10
    }
  })

  test('the current month and the one before cost nothing, and neither do rejected events', () => {
    const budget = new PastMonthsBudget({ monthsPerMinute: 1, nowMs: () => 0 })
    const event = (timestamp: string, value = '1') => ({ event_id: 'e', project_id: 'p', metric: 'ai_tokens', value, timestamp })
    const free = submissionOf([event('2026-11-28T00:00:00Z'), event('2026-10-01T00:00:00Z'), event('2020-01-01T00:00:00Z', '-1')], RECEIVED_MS).validated
    for (let request = 0; request < 10; request += 1) budget.spend('a', free, RECEIVED_MS)
    budget.spend('a', pastEvents(1), RECEIVED_MS)
    expect(() => budget.spend('a', pastEvents(2), RECEIVED_MS)).toThrow(expect.objectContaining({ code: 'PAST_MONTHS_LIMITED' }))
    const unlimited = new PastMonthsBudget({ monthsPerMinute: 0 })
    for (let request = 0; request < 10; request += 1) unlimited.spend('a', pastEvents(100), RECEIVED_MS)
  })
})

describe('over HTTP', () => {
  let tested: TestService
  beforeAll(async () => {
    tested = await startTestService({ PAST_MONTHS_PER_MINUTE: '10' })
    await tested.client.createIngestKey()
  })
  afterAll(() => tested.stop())

  test('a request of too many past months is answered 429 with Retry-After, nothing of it is stored, and events of now are accepted', async () => {
    const { client } = tested
    // Each request has months of its own, because a month that was paid for is free for a second.
    const past = (id: string, year: number) =>
      Array.from({ length: 30 }, (_, month) => ({
        event_id: `${id}${month}`,
        project_id: 'p',
        metric: 'ai_tokens',
        value: '1',
        timestamp: new Date(Date.UTC(year, month, 1)).toISOString(),
      }))
    expect(await client.send(past('first', 2020))).toMatchObject({ status: 200, body: { accepted: '30' } })
    const limited = await client.send([...past('second', 2023), { ...past('now', 2020)[0], timestamp: new Date().toISOString() } as never])
    expect(limited).toMatchObject({ status: 429, body: { code: 'PAST_MONTHS_LIMITED' } })
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(60)
    expect(await client.send([{ ...past('now', 2020)[0], timestamp: new Date().toISOString() } as never])).toMatchObject({
      status: 200,
      body: { accepted: '1' },
    })
  })

  test('a correction spends the month of the event that it corrects, unless it is a copy, and those of operators are not limited', async () => {
    const { client } = tested
    const months = Array.from({ length: 30 }, (_, month) => new Date(Date.UTC(2015, month, 1)).toISOString())
    await client.createIngestKey('corrected')
    const event = (event_id: string, timestamp = '') => ({ event_id, project_id: 'corrected', metric: 'ai_tokens', value: '1', timestamp })
    expect((await client.send(months.map((timestamp, index) => event(`e${index}`, timestamp)))).status).toBe(200)
    await client.createIngestKey('correcting')
    const voids = months.map((_, index) => ({ event_id: `v${index}`, project_id: 'corrected', corrects: `e${index}`, action: 'void', reason: 'test' }))
    expect((await client.send(voids)).body).toMatchObject({ accepted: '30' })
    expect((await client.send(voids)).body).toMatchObject({ duplicates: '30' })
    const amended = voids.map((each) => ({ ...each, event_id: `a${each.event_id}`, action: 'amend', value: '2' }))
    // What was paid for within this second is free, so these are of months that were not.
    expect(await client.send([...amended, event('late', '2012-01-01T00:00:00Z')])).toMatchObject({ status: 429, body: { code: 'PAST_MONTHS_LIMITED' } })
    expect((await client.admin('POST', '/admin/v1/corrections', { corrections: amended })).body).toMatchObject({ accepted: '30' })
  })
})
