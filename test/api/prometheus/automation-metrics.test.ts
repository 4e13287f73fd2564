import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { automationMetrics } from '../../../api/prometheus/automation-metrics.ts'
import { workMetrics } from '../../../api/prometheus/work-metrics.ts'
import type { AutomationHealth } from '../../../automation/health/automation-health.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const NOW_MS = Date.UTC(2026, 2, 1, 12)
const MINUTE_MS = 60_000
const JOB = { name: 'schedules', everySeconds: 0.5, runs: 3, failures: 1, lastSuccessMs: NOW_MS, lastSeconds: 0.1 }

/** The metrics as Prometheus reads them, without those that have no value. */
async function render(health: AutomationHealth | undefined, evaluatedMs: number | undefined): Promise<string[]> {
  const register = new Registry()
  const automation = { stats: () => [JOB], health: () => health, evaluatedMs: () => evaluatedMs, deliveries: () => undefined, stop: async () => {} }
  const scheduler = { stats: () => [JOB], counts: () => ({ succeeded: 5, failed: 2, skipped: 0 }), stop: async () => {} }
  automationMetrics(register, { automation, scheduler }, () => NOW_MS)
  return (await register.metrics()).split('\n').filter((line) => /^meterline/.test(line))
}

const SCHEDULE = { id: 'sch_1', name: 'n', action: 'call' as const, overdueSinceMs: null, failure: null }
const WEBHOOK = { id: 'wh_1', setBy: '', disabled: null, failingSinceMs: null, pending: null }
const waiting = (messages: number, minutes: number) => ({ messages, oldestMs: NOW_MS - minutes * MINUTE_MS })

test('ages are those of the oldest, what a disabled webhook has does not count as late, and what failed counts by what it does', async () => {
  const lines = await render(
    {
      schedules: [
        { ...SCHEDULE, overdueSinceMs: NOW_MS - MINUTE_MS },
        { ...SCHEDULE, overdueSinceMs: NOW_MS - 5 * MINUTE_MS },
        { ...SCHEDULE, action: 'export', failure: { atMs: NOW_MS, message: 'Answered 403.' } },
      ],
      webhooks: [
        { ...WEBHOOK, pending: waiting(2, 3) },
        { ...WEBHOOK, pending: waiting(1, 7), failingSinceMs: NOW_MS },
        { ...WEBHOOK, pending: waiting(9, 90), failingSinceMs: NOW_MS, disabled: { reason: 'failing', atMs: NOW_MS } },
        { ...WEBHOOK, pending: waiting(9, 90), disabled: { reason: 'requested', atMs: NOW_MS } },
        // Abandoned by its partner: operators cannot repair it.
        { ...WEBHOOK, setBy: 'ps_1', disabled: { reason: 'failing', atMs: NOW_MS } },
      ],
      activeThresholds: 4,
      stoppedLogs: [],
    },
    NOW_MS - MINUTE_MS,
  )
  expect(lines).toEqual([
    'meterline_schedule_runs_total{outcome="succeeded"} 5',
    'meterline_schedule_runs_total{outcome="failed"} 2',
    'meterline_schedule_runs_total{outcome="skipped"} 0',
    'meterline_schedules_overdue_seconds 300',
    'meterline_schedules_failing{action="call"} 0',
    'meterline_schedules_failing{action="export"} 1',
    'meterline_webhook_messages_pending 3',
    'meterline_webhook_oldest_pending_seconds 420',
    'meterline_webhooks_failing 1',
    'meterline_webhooks_disabled 1',
    'meterline_thresholds_active 4',
    `meterline_thresholds_evaluated_seconds ${NOW_MS / 1_000 - 60}`,
  ])
})

test('what was not read yet has no value, rather than a 0', async () => {
  expect((await render(undefined, undefined)).filter((line) => !line.startsWith('meterline_schedule_runs_total'))).toEqual([])
})

test('the interval of a job is in its metrics', async () => {
  const register = new Registry()
  workMetrics(register, () => [JOB])
  expect(await register.metrics()).toContain('meterline_work_every_seconds{work="schedules"} 0.5')
})

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
})
afterAll(() => tested.stop())

test('a service has them, and its background work includes the jobs of automation', async () => {
  const { text } = await tested.client.call('GET', '/metrics')
  for (const work of ['partnership_days', 'thresholds', 'automation_health', 'incident_messages', 'schedules'])
    expect(text).toContain(`meterline_work_runs_total{work="${work}"}`)
  expect(text).toContain('# TYPE meterline_webhook_attempts_total counter')
})
