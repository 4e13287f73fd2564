import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeDueMonths } from '../../../aggregator/statements/close-due-months.ts'
import type { AuditedChange } from '../../../registry/audit-log.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const GRACE_MS = 72 * 3_600_000

let tested: TestService
let partner: Credentials
const notes: AuditedChange[] = []
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  partner = await client.createPartner('Due')
  await client.billFrom(partner.partnerId, monthBefore(2))
  await untilSo(async () => (await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.as_of !== null)
})
afterAll(() => tested.stop())

test('P4: due months are closed automatically and in order, once their grace period and that of billing_from are over', async () => {
  expect((await due(Date.now())).closed).toBe(0)
  expect(await closed()).toEqual([])
  expect(await due(Date.now() + GRACE_MS)).toEqual({ closed: 2, overdue: 0, negative: 0 })
  expect(await closed()).toEqual([monthBefore(2), monthBefore(1)])
  expect((await due(Date.now() + GRACE_MS)).closed).toBe(0)
  const closing = (months: number) => ({ month: monthBefore(months), closed_by: 'schedule', lines: expect.any(Number), sha256: expect.any(String) })
  expect(notes).toEqual([2, 1].map((months) => ({ action: 'statement.close', subject: partner.partnerId, details: closing(months) })))
})

test('P4: a month stays open and is reported as overdue while its usage is not known to be complete', async () => {
  // By that clock the current month is due, but no watermark has passed its end.
  const later = Date.now() + 60 * 86_400_000
  expect(await due(later)).toEqual({ closed: 0, overdue: 1, negative: 0 })
  expect(await closed()).toEqual([monthBefore(2), monthBefore(1)])
})

function due(nowMs: number) {
  const quiet = { info: () => {}, warn: () => {}, error: () => {} }
  const { clickhouse } = tested.service
  const note = async (noted: AuditedChange) => {
    notes.push(noted)
  }
  return closeDueMonths(
    { clickhouse, runBetweenBatches: (work) => work(), now: () => nowMs, graceMs: GRACE_MS, logger: quiet, note },
    new AbortController().signal,
  )
}

async function closed(): Promise<string[]> {
  const { statements } = (await tested.client.partner(partner, 'GET', '/statements')).body
  return statements
    .map((each: { statement: { month: string; status: string } }) => each.statement)
    .flatMap((each: { month: string; status: string }) => (each.status === 'closed' ? [each.month] : []))
}

function monthBefore(months: number): string {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7)
}
