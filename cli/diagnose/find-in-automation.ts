import { NOT_EVALUATED_AFTER_MS, OVERDUE_AFTER_MS, PENDING_AFTER_MS } from '../../contract/automation-limits.ts'
import { counted } from '../../metering/counted.ts'
import type { Finding } from './finding.ts'
import type { State } from './read-state.ts'

type Automation = State['report']['automation']

/** Whether schedules run, messages arrive and thresholds are evaluated. */
export function findInAutomation(state: State): Finding[] {
  const { nowMs, report } = state
  const { schedules, webhooks } = report.automation
  return [
    ...schedules.problems.flatMap((schedule) => ofSchedule(schedule, nowMs)),
    ...webhooks.problems.flatMap((webhook) => ofWebhook(webhook, nowMs)),
    ...thresholds(state),
  ]
}

function ofSchedule({ id, name, action, overdue_since, failed_at, message }: Automation['schedules']['problems'][number], nowMs: number): Finding[] {
  const findings: Finding[] = []
  if (overdue_since !== null && nowMs - Date.parse(overdue_since) > OVERDUE_AFTER_MS)
    findings.push({
      ...{ id: 'schedule_overdue', severity: 'warning', category: 'health', what: `The schedule ${name} should have run at ${overdue_since}.` },
      ...{ cause: 'No process runs schedules, or an earlier run of this one has not ended.' },
      next: `Start "meterline aggregate" if none runs, else meterline logs automation --level warn and meterline schedules logs ${id}`,
    })
  if (failed_at !== null)
    findings.push({
      ...{ id: 'schedule_failed', severity: 'warning', category: action === 'export' ? 'billing' : 'health' },
      what:
        action === 'export' ? `The schedule ${name} did not deliver its export at ${failed_at}.` : `The call of the schedule ${name} failed at ${failed_at}.`,
      cause: message ?? 'The log of its runs has the reason.',
      next: `meterline schedules logs ${id}, correct the cause, then meterline schedules run ${id}`,
    })
  return findings
}

function ofWebhook(webhook: Automation['webhooks']['problems'][number], nowMs: number): Finding[] {
  const { id, set_by, disabled_reason, disabled_at, failing_since, pending, oldest_pending_at } = webhook
  // A partner corrects its own receiver.
  const severity = set_by === null ? 'warning' : 'info'
  const name = set_by === null ? `The webhook ${id}` : `The webhook ${id} of the partner ${set_by}`
  if (disabled_reason === 'failing')
    return [
      {
        ...{ id: 'webhook_disabled', severity, category: 'health', what: `${name} was disabled at ${disabled_at}, and what happens is not stored for it.` },
        ...{ cause: 'Nothing could be delivered to it for days.', next: `Repair its receiver, then meterline webhooks enable ${id}` },
      },
    ]
  if (failing_since !== null)
    return [
      {
        ...{ id: 'webhook_failing', severity, category: 'health', what: `${name} has failed since ${failing_since}; ${counted(pending, 'message')} pending.` },
        ...{ cause: 'Its receiver does not answer 2xx. After days of failures it is disabled.', next: `meterline webhooks deliveries ${id}` },
      },
    ]
  if (oldest_pending_at === null || nowMs - Date.parse(oldest_pending_at) <= PENDING_AFTER_MS) return []
  return [
    {
      ...{ id: 'messages_waiting', severity: 'warning', category: 'health' },
      what: `${counted(pending, 'message')} for the webhook ${id} ${pending === 1 ? 'is' : 'are'} not delivered, the oldest of ${oldest_pending_at}.`,
      cause: 'No process delivers messages: none aggregates, or those that do have no MASTER_KEY.',
      next: 'Start "meterline aggregate" with MASTER_KEY, or read meterline logs automation --level warn',
    },
  ]
}

/** Only the process that evaluates knows when it did. */
function thresholds({ nowMs, report: { background, process, automation } }: State): Finding[] {
  const { active, evaluated_at } = automation.thresholds
  const sinceMs = Date.parse(evaluated_at ?? process.started_at)
  if (background === null || active === 0 || nowMs - sinceMs <= NOT_EVALUATED_AFTER_MS) return []
  return [
    {
      ...{ id: 'thresholds_not_evaluated', severity: 'warning', category: 'billing' },
      what: `${counted(active, 'threshold')} ${active === 1 ? 'has' : 'have'} not been evaluated since ${evaluated_at ?? 'the start'}.`,
      cause: 'The job "thresholds" fails or waits for the database; no level is notified meanwhile.',
      next: 'meterline logs automation --level warn',
    },
  ]
}
