import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClockWatch } from '../../../aggregator/statements/clock-watch.ts'
import { closeDueMonths } from '../../../aggregator/statements/close-due-months.ts'
import { endOfMonthMs } from '../../../metering/month.ts'
import { dayOf, MS_PER_DAY } from '../../../metering/timestamp.ts'
import type { AuditedChange } from '../../../registry/audit-log.ts'
import { readStoreClock } from '../../../sql/store-clock.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const HOUR_MS = 3_600_000
const GRACE_MS = 72 * HOUR_MS

let tested: TestService
const notes: AuditedChange[] = []
const warnings: string[] = []
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
})
afterAll(() => tested.stop())

async function partnerFrom(month: string): Promise<Credentials> {
  const partner = await tested.client.createPartner('Due')
  await tested.client.billFrom(partner.partnerId, month)
  await untilSo(async () => (await tested.client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.as_of !== null)
  return partner
}

test('P4: no month closes on a clock alone: without heartbeats on most days of its grace period it waits until an operator closes it', async () => {
  const partner = await partnerFrom(monthBefore(2))
  // As after the clock was set ahead, or after the service was off: it ran on the first of four days, and on the last.
  expect(await due(Date.now() + GRACE_MS)).toMatchObject({ closed: 0, overdue: 1, unconfirmed: 1 })
  expect(warnings.at(-1)).toMatch(/^Heartbeats by a clock that agrees with that of ClickHouse were received on 1 of the 4 days of its grace period/)
  await heartbeatsOn(3)
  expect(await due(Date.now() + GRACE_MS)).toMatchObject({ closed: 0, overdue: 1, unconfirmed: 1 })
  expect((await tested.client.closeMonth(partner.partnerId, monthBefore(2))).status).toBe(200)
  expect((await tested.client.closeMonth(partner.partnerId, monthBefore(1))).status).toBe(200)
  expect(await due(Date.now() + GRACE_MS)).toMatchObject({ closed: 0, overdue: 0, unconfirmed: 0 })
})

test('P4: due months are closed automatically and in order, once their grace period and that of billing_from are over', async () => {
  await heartbeatsOn(1, 2)
  const partner = await partnerFrom(monthBefore(2))
  expect((await due(Date.now())).closed).toBe(0)
  expect(await closed(partner)).toEqual([])
  expect(await due(Date.now() + GRACE_MS)).toEqual({ closed: 2, overdue: 0, unconfirmed: 0, negative: 0, clockDisagreement: undefined })
  expect(await closed(partner)).toEqual([monthBefore(2), monthBefore(1)])
  expect((await due(Date.now() + GRACE_MS)).closed).toBe(0)
  const closing = (months: number) => ({ month: monthBefore(months), closed_by: 'schedule', lines: expect.any(Number), sha256: expect.any(String) })
  expect(notes).toEqual([2, 1].map((months) => ({ action: 'statement.close', subject: partner.partnerId, details: closing(months) })))
})

test('P4: a clock that is set ahead closes no month, and closing continues when the clocks have agreed for an hour', async () => {
  const partner = await partnerFrom(monthBefore(2))
  const host = { startMs: Date.now(), stepMs: 0, passedMs: 0, storeMs: 0 }
  const clockWatch = new ClockWatch({
    now: () => host.startMs + host.passedMs + host.stepMs,
    storeNow: async () => host.startMs + host.passedMs + host.storeMs,
    uptimeMs: () => host.passedMs,
  })
  const run = () => due(Date.now() + GRACE_MS, clockWatch)
  host.stepMs = 12 * MS_PER_DAY
  expect(await run()).toMatchObject({
    closed: 0,
    unconfirmed: 1,
    clockDisagreement: 'The clock of this host was set forward by 12 days since this process started. If it is right now, restart this process.',
  })
  // The clock is right again, and the store's clock is ahead for a while.
  host.stepMs = 0
  host.passedMs += HOUR_MS - 1
  host.storeMs = 6 * 60_000
  expect(await run()).toMatchObject({ closed: 0, unconfirmed: 1, clockDisagreement: 'The clock of this host is 6 minutes behind the clock of ClickHouse.' })
  host.storeMs = 0
  host.passedMs += HOUR_MS - 1
  expect(await run()).toMatchObject({ closed: 0, unconfirmed: 1 })
  expect(await closed(partner)).toEqual([])
  host.passedMs += 1
  expect(await run()).toMatchObject({ closed: 2, unconfirmed: 0, clockDisagreement: undefined })
})

test('P4: after NTP has corrected the clock of a running process, months close again after a restart, as the warning says', async () => {
  const host = { startMs: Date.now(), passedMs: 0, behindMs: 8 * 60_000 }
  const now = () => host.startMs + host.passedMs - host.behindMs
  const start = () => new ClockWatch({ now, storeNow: async () => host.startMs + host.passedMs, uptimeMs: () => host.passedMs })
  const booted = start()
  expect(await booted.findDisagreement()).toBe('The clock of this host is 8 minutes behind the clock of ClickHouse.')
  host.behindMs = 0
  host.passedMs = 2 * HOUR_MS
  const stepped = 'The clock of this host was set forward by 8 minutes since this process started. If it is right now, restart this process.'
  expect([await booted.findDisagreement(), await start().findDisagreement()]).toEqual([stepped, undefined])
})

test('P4: a month whose end has passed by our clock and not by those of the senders of events waits for an operator', async () => {
  const partner = await partnerFrom(monthBefore(2))
  await tested.client.registerProject('sender', partner.partnerId)
  const event = (event_id: string, timestamp: string) => ({ event_id, project_id: 'sender', metric: 'ai_tokens', value: 1, timestamp })
  await tested.client.send([event('last', `${monthBefore(2)}-28T00:00:00Z`)])
  expect(await due(Date.now() + GRACE_MS)).toMatchObject({ closed: 0, overdue: 1, unconfirmed: 1 })
  await tested.client.send([event('now', new Date().toISOString())])
  expect(await due(Date.now() + GRACE_MS)).toMatchObject({ closed: 2, overdue: 0, unconfirmed: 0 })
})

test('P4: a month stays open and is reported as overdue while its usage is not known to be complete', async () => {
  const partner = await partnerFrom(monthBefore(0))
  const overMs = endOfMonthMs(monthBefore(0))
  const days = [0, 1, 2].map((day) => dayOf(overMs + day * MS_PER_DAY))
  await insertDays(days)
  // By that clock the current month is due, but no watermark has passed its end.
  expect(await due(overMs + GRACE_MS)).toMatchObject({ closed: 0, overdue: 5, unconfirmed: 0 })
  expect(await closed(partner)).toEqual([])
})

function due(
  nowMs: number,
  clockWatch = new ClockWatch({ now: Date.now, storeNow: () => readStoreClock(tested.service.clickhouse.control), uptimeMs: () => performance.now() }),
) {
  const quiet = { info: () => {}, warn: ({ reason }: { reason?: string }) => warnings.push(String(reason)), error: () => {} }
  const { clickhouse } = tested.service
  const note = async (noted: AuditedChange) => {
    notes.push(noted)
  }
  return closeDueMonths(
    { clickhouse, runBetweenBatches: (work) => work(), now: () => nowMs, graceMs: GRACE_MS, clockWatch, logger: quiet, note },
    new AbortController().signal,
  )
}

/** As if the service had run on these days from today. */
function heartbeatsOn(...days: number[]): Promise<void> {
  return insertDays(days.map((day) => dayOf(Date.now() + day * MS_PER_DAY)))
}

function insertDays(days: readonly string[]): Promise<void> {
  return tested.service.clickhouse.control.insert({ table: 'heartbeat_days_v1', columns: ['day'], text: days.map((day) => `${day}\n`).join('') })
}

async function closed(partner: Credentials): Promise<string[]> {
  const { statements } = (await tested.client.partner(partner, 'GET', '/statements')).body
  return statements
    .map((each: { statement: { month: string; status: string } }) => each.statement)
    .flatMap((each: { month: string; status: string }) => (each.status === 'closed' ? [each.month] : []))
}

function monthBefore(months: number): string {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7)
}
