import type { AutomationHealth } from '../../automation/health/automation-health.ts'
import { OVERDUE_AFTER_MS, PENDING_AFTER_MS } from '../../contract/automation-limits.ts'
import { type GET_HEALTH_REPORT, REPORTED_PROBLEMS_MAX } from '../../contract/health-report.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'

type Report = AnswerOf<typeof GET_HEALTH_REPORT>['automation']

interface ReportTimes {
  readonly nowMs: number
  /** When this process evaluated thresholds; undefined if it never did. */
  readonly evaluatedMs: number | undefined
}

/** Problems are sorted by severity, the oldest first: a report has only so many of them. Times in ms since 1970. */
export function automationReport(health: AutomationHealth, { nowMs, evaluatedMs }: ReportTimes): Report {
  const { schedules, webhooks, activeThresholds, stoppedLogs } = health
  return {
    schedules: {
      total: schedules.length,
      problems: schedules
        .filter((schedule) => isProblemOfSchedule(schedule, nowMs))
        .sort((one, other) => compare(placeOfSchedule(one), placeOfSchedule(other)))
        .slice(0, REPORTED_PROBLEMS_MAX)
        .map(({ id, name, action, overdueSinceMs, failure }) => ({
          ...{ id, name, action, overdue_since: instantOrNull(overdueSinceMs) },
          ...{ failed_at: instantOrNull(failure?.atMs), message: failure?.message ?? null },
        })),
    },
    webhooks: {
      total: webhooks.length,
      problems: webhooks
        .filter((webhook) => isProblemOfWebhook(webhook, nowMs))
        .sort((one, other) => compare(placeOfWebhook(one), placeOfWebhook(other)))
        .slice(0, REPORTED_PROBLEMS_MAX)
        .map(({ id, setBy, disabled, failingSinceMs, pending }) => ({
          ...{ id, set_by: setBy === '' ? null : setBy, disabled_reason: disabled?.reason ?? null, disabled_at: instantOrNull(disabled?.atMs) },
          ...{ failing_since: instantOrNull(failingSinceMs), pending: pending?.messages ?? 0, oldest_pending_at: instantOrNull(pending?.oldestMs) },
        })),
    },
    thresholds: { active: activeThresholds, evaluated_at: instantOrNull(evaluatedMs) },
    stopped_logs: stoppedLogs.map(({ log, kind, sinceMs, message }) => ({ log, incident: kind, since: formatTimestamp(sinceMs), message })),
  }
}

type Schedule = AutomationHealth['schedules'][number]
type Webhook = AutomationHealth['webhooks'][number]

function isProblemOfSchedule({ overdueSinceMs, failure }: Schedule, nowMs: number): boolean {
  return failure !== null || (overdueSinceMs !== null && nowMs - overdueSinceMs > OVERDUE_AFTER_MS)
}

/** A failed export first, which finance waits for. */
function placeOfSchedule({ action, overdueSinceMs, failure }: Schedule): readonly number[] {
  return [failure !== null && action === 'export' ? 0 : 1, Math.min(overdueSinceMs ?? Number.POSITIVE_INFINITY, failure?.atMs ?? Number.POSITIVE_INFINITY)]
}

/** What its owner has disabled waits on purpose. */
function isProblemOfWebhook({ disabled, failingSinceMs, pending }: Webhook, nowMs: number): boolean {
  if (disabled !== null) return disabled.reason === 'failing'
  return failingSinceMs !== null || (pending !== null && nowMs - pending.oldestMs > PENDING_AFTER_MS)
}

/** Those of operators first, because a partner corrects its own receiver; then what loses messages, what will, and what waits. */
function placeOfWebhook({ setBy, disabled, failingSinceMs, pending }: Webhook): readonly number[] {
  const kind = disabled !== null ? 0 : failingSinceMs !== null ? 1 : 2
  return [setBy === '' ? 0 : 1, kind, disabled?.atMs ?? failingSinceMs ?? pending?.oldestMs ?? Number.POSITIVE_INFINITY]
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index])
  return at === -1 ? 0 : (one[at] ?? 0) < (other[at] ?? 0) ? -1 : 1
}
