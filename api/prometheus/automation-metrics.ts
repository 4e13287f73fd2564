import { Counter, Gauge, type Registry } from 'prom-client'
import type { AutomationHealth } from '../../automation/health/automation-health.ts'
import type { Automating } from '../../automation/start-automation.ts'
import { knownGauge } from './known-gauge.ts'

/**
 * Metrics of schedules, webhooks and thresholds. Counters are of this process. Gauges are read from the store every minute, so they are
 * the same in every process that aggregates.
 */
export function automationMetrics(register: Registry, { automation, scheduler }: Automating, now: () => number): void {
  const ofHealth = (name: string, help: string, read: (health: AutomationHealth) => number) =>
    knownGauge(register, { name, help }, () => {
      const health = automation.health()
      return health === undefined ? undefined : read(health)
    })
  const ageSeconds = (times: readonly (number | null | undefined)[]) => {
    const known = times.filter((each) => typeof each === 'number')
    return known.length === 0 ? 0 : Math.max(0, (now() - Math.min(...known)) / 1_000)
  }
  outcomeCounter(register, { name: 'meterline_schedule_runs_total', help: 'Runs of schedules whose outcome this process has stored.' }, () =>
    Object.entries(scheduler.counts()),
  )
  ofHealth('meterline_schedules_overdue_seconds', 'Age of the oldest due time of a schedule whose run has not begun; 0 if there is none.', ({ schedules }) =>
    ageSeconds(schedules.map(({ overdueSinceMs }) => overdueSinceMs)),
  )
  failingSchedules(register, () => automation.health())
  outcomeCounter(register, { name: 'meterline_webhook_attempts_total', help: 'Attempts of this process to deliver messages to webhooks.' }, () => {
    const delivered = automation.deliveries()
    return delivered === undefined ? [] : Object.entries({ delivered: delivered.acknowledged, failed: delivered.failed })
  })
  // Of a disabled webhook everything waits, on purpose.
  const enabled = ({ webhooks }: AutomationHealth) => webhooks.filter(({ disabled }) => disabled === null)
  ofHealth('meterline_webhook_messages_pending', 'Messages that wait to be delivered to enabled webhooks.', (health) =>
    enabled(health).reduce((sum, { pending }) => sum + (pending?.messages ?? 0), 0),
  )
  ofHealth('meterline_webhook_oldest_pending_seconds', 'Age of the oldest message that waits for an enabled webhook; 0 if there is none.', (health) =>
    ageSeconds(enabled(health).map(({ pending }) => pending?.oldestMs)),
  )
  ofHealth('meterline_webhooks_failing', 'Enabled webhooks whose last attempt failed.', (health) => enabled(health).filter(isFailing).length)
  ofHealth(
    'meterline_webhooks_disabled',
    'Webhooks of operators that the service has disabled after days of failures.',
    // Only a partner repairs its own: one that it has abandoned would be reported permanently.
    ({ webhooks }) => webhooks.filter(({ setBy, disabled }) => setBy === '' && disabled?.reason === 'failing').length,
  )
  ofHealth('meterline_thresholds_active', 'Thresholds that are evaluated.', ({ activeThresholds }) => activeThresholds)
  knownGauge(register, { name: 'meterline_thresholds_evaluated_seconds', help: 'When this process last evaluated thresholds, in seconds since 1970.' }, () => {
    const ms = automation.evaluatedMs()
    return ms === undefined ? undefined : ms / 1_000
  })
}

function outcomeCounter(register: Registry, { name, help }: { name: string; help: string }, read: () => readonly (readonly [string, number])[]): void {
  new Counter({
    name,
    help,
    labelNames: ['outcome'],
    registers: [register],
    collect() {
      this.reset()
      for (const [outcome, count] of read()) this.inc({ outcome }, count)
    },
  })
}

function failingSchedules(register: Registry, health: () => AutomationHealth | undefined): void {
  new Gauge({
    name: 'meterline_schedules_failing',
    help: 'Schedules whose last run failed, by what they do: call a URL, or deliver an export.',
    labelNames: ['action'],
    registers: [register],
    collect() {
      this.reset()
      const known = health()
      if (known === undefined) return
      for (const action of ['call', 'export'] as const)
        this.set({ action }, known.schedules.filter((each) => each.action === action && each.failure !== null).length)
    },
  })
}

function isFailing({ failingSinceMs }: AutomationHealth['webhooks'][number]): boolean {
  return failingSinceMs !== null
}
