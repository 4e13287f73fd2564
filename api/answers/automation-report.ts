import type { AutomationHealth } from '../../automation/health/automation-health.ts'
import { type GET_HEALTH_REPORT, REPORTED_PROBLEMS_MAX } from '../../contract/health-report.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'

type Report = AnswerOf<typeof GET_HEALTH_REPORT>['automation']

/** `evaluatedMs`: when this process evaluated thresholds; undefined if it never did. */
export function automationReport({ schedules, webhooks, activeThresholds, stoppedLogs }: AutomationHealth, evaluatedMs: number | undefined): Report {
  return {
    schedules: {
      total: schedules.length,
      problems: schedules
        .filter(({ overdueSinceMs, failure }) => overdueSinceMs !== null || failure !== null)
        .slice(0, REPORTED_PROBLEMS_MAX)
        .map(({ id, name, action, overdueSinceMs, failure }) => ({
          ...{ id, name, action, overdue_since: timeOrNull(overdueSinceMs) },
          ...{ failed_at: timeOrNull(failure?.atMs), message: failure?.message ?? null },
        })),
    },
    webhooks: {
      total: webhooks.length,
      problems: webhooks
        // What its owner has disabled waits on purpose.
        .filter(
          ({ disabled, failingSinceMs, pending }) => disabled?.reason === 'failing' || (disabled === null && (failingSinceMs !== null || pending !== null)),
        )
        .slice(0, REPORTED_PROBLEMS_MAX)
        .map(({ id, setBy, disabled, failingSinceMs, pending }) => ({
          ...{ id, set_by: setBy === '' ? null : setBy, disabled_reason: disabled?.reason ?? null, disabled_at: timeOrNull(disabled?.atMs) },
          ...{ failing_since: timeOrNull(failingSinceMs), pending: pending?.messages ?? 0, oldest_pending_at: timeOrNull(pending?.oldestMs) },
        })),
    },
    thresholds: { active: activeThresholds, evaluated_at: timeOrNull(evaluatedMs) },
    stopped_logs: stoppedLogs.map(({ log, kind, sinceMs, message }) => ({ log, incident: kind, since: formatTimestamp(sinceMs), message })),
  }
}

function timeOrNull(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : formatTimestamp(ms)
}
