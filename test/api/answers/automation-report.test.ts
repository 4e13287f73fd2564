import { expect, test } from 'vitest'
import { automationReport } from '../../../api/answers/automation-report.ts'
import type { AutomationHealth } from '../../../automation/health/automation-health.ts'
import { REPORTED_PROBLEMS_MAX } from '../../../contract/health-report.ts'

const NOW_MS = Date.UTC(2026, 1, 10)
const MINUTE_MS = 60_000
const ago = (minutes: number) => NOW_MS - minutes * MINUTE_MS

const webhook = (id: string, more: Partial<AutomationHealth['webhooks'][number]> = {}) => ({
  id,
  setBy: '',
  disabled: null,
  failingSinceMs: null,
  pending: null,
  ...more,
})
const schedule = (id: string, more: Partial<AutomationHealth['schedules'][number]> = {}) =>
  ({ id, name: id, action: 'call', overdueSinceMs: null, failure: null, ...more }) as const
const report = (health: Partial<AutomationHealth>) =>
  automationReport({ schedules: [], webhooks: [], activeThresholds: 0, stoppedLogs: [], ...health }, { nowMs: NOW_MS, evaluatedMs: undefined })
const ids = (problems: readonly { id: string }[]) => problems.map(({ id }) => id)

test('a webhook whose messages have waited for a moment is no problem, and many that wait do not displace one that is disabled', () => {
  const waiting = Array.from({ length: REPORTED_PROBLEMS_MAX + 50 }, (_, nth) => webhook(`waits ${nth}`, { pending: { messages: 1, oldestMs: ago(61 + nth) } }))
  const webhooks = [
    webhook('just now', { pending: { messages: 1, oldestMs: ago(1) } }),
    ...waiting,
    webhook('of a partner', { setBy: 'ps_1', disabled: { reason: 'failing', atMs: ago(9_000) } }),
    webhook('of a disabled partner', { setBy: 'ps_2', disabled: { reason: 'partner_disabled', atMs: ago(9_000) } }),
    webhook('disabled by its owner', { disabled: { reason: 'requested', atMs: ago(9_000) } }),
    webhook('failing', { failingSinceMs: ago(5) }),
    webhook('failing for longer', { failingSinceMs: ago(50) }),
    webhook('disabled', { disabled: { reason: 'failing', atMs: ago(1) } }),
  ]
  const { total, problems } = report({ webhooks }).webhooks
  expect([total, problems.length]).toEqual([webhooks.length, REPORTED_PROBLEMS_MAX])
  expect(ids(problems).slice(0, 4)).toEqual(['disabled', 'failing for longer', 'failing', `waits ${waiting.length - 1}`])
  expect(ids(report({ webhooks: webhooks.filter(({ id }) => !id.startsWith('waits')) }).webhooks.problems)).toEqual([
    'disabled',
    'failing for longer',
    'failing',
    'of a partner',
  ])
})

test('a schedule that is overdue for a minute is no problem, and failed exports come first, then the oldest', () => {
  const schedules = [
    schedule('a minute late', { overdueSinceMs: ago(1) }),
    schedule('overdue', { overdueSinceMs: ago(20) }),
    schedule('overdue for longer', { overdueSinceMs: ago(40) }),
    schedule('failed call', { failure: { atMs: ago(30), message: 'Answered 404.' } }),
    schedule('failed export', { action: 'export', failure: { atMs: ago(2), message: 'Answered 404.' } }),
  ]
  expect(ids(report({ schedules }).schedules.problems)).toEqual(['failed export', 'overdue for longer', 'failed call', 'overdue'])
})
