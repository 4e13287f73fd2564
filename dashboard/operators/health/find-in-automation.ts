import { NOT_EVALUATED_AFTER_MS, OVERDUE_AFTER_MS, PENDING_AFTER_MS } from '../../../contract/automation-limits.ts'
import { linkTo } from '../../address/address.ts'
import { counted } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import type { Finding } from './finding.ts'
import type { HealthReport } from './read-report.ts'

type Automation = HealthReport['automation']

const WEBHOOKS = { href: linkTo(['webhooks']), title: 'Webhooks' }
const AUTOMATION_LOG = { href: linkTo(['service-logs'], { source: 'automation', level: 'warn' }), title: 'Log lines of automation' }

/** Whether schedules run, messages arrive and thresholds are evaluated; and logs that are stopped in other processes. */
export function findInAutomation(report: HealthReport, nowMs: number): Finding[] {
  const { schedules, webhooks } = report.automation
  return [
    ...stoppedElsewhere(report),
    ...schedules.problems.flatMap((schedule) => ofSchedule(schedule, nowMs)),
    ...webhooks.problems.flatMap((webhook) => ofWebhook(webhook, nowMs)),
    ...thresholds(report, nowMs),
  ]
}

function stoppedElsewhere({ ingesting, automation }: HealthReport): Finding[] {
  const here = new Set(ingesting.logs.filter(({ incident }) => incident !== null).map(({ log }) => log))
  return automation.stopped_logs
    .filter(({ log }) => !here.has(log))
    .map(({ log, incident, since, message }) => ({
      ...{ tone: 'bad', what: `The log ${log} has been stopped by an incident since ${showTime(since)}: ${incident}.`, why: message },
      next: 'It counts nothing until that command was run.',
    }))
}

function ofSchedule({ id, name, action, overdue_since, failed_at, message }: Automation['schedules']['problems'][number], nowMs: number): Finding[] {
  const link = { href: linkTo(['schedules', id]), title: name }
  const findings: Finding[] = []
  if (overdue_since !== null && nowMs - Date.parse(overdue_since) > OVERDUE_AFTER_MS)
    findings.push({
      ...{ tone: 'warn', what: `The schedule ${name} should have run at ${showTime(overdue_since)}.`, link },
      ...{ why: 'No process runs schedules, or an earlier run of this one has not ended.', next: 'Start "meterline aggregate" if none runs.' },
    })
  if (failed_at !== null)
    findings.push({
      ...{ tone: 'warn', what: `The schedule ${name} ${action === 'export' ? 'did not deliver its export' : 'failed'} at ${showTime(failed_at)}.`, link },
      ...{ why: message ?? 'The log of its runs has the reason.', next: 'Correct the cause, then run it.' },
    })
  return findings
}

function ofWebhook(webhook: Automation['webhooks']['problems'][number], nowMs: number): Finding[] {
  const { id, set_by, disabled_reason, disabled_at, failing_since, pending, oldest_pending_at } = webhook
  // A partner corrects its own receiver.
  const tone = set_by === null ? 'warn' : 'plain'
  const name = set_by === null ? `The webhook ${id}` : `The webhook ${id} of the partner ${set_by}`
  if (disabled_reason === 'failing')
    return [
      {
        ...{ tone, what: `${name} was disabled${disabled_at === null ? '' : ` at ${showTime(disabled_at)}`}.`, link: WEBHOOKS },
        ...{ why: 'Nothing could be delivered to it for days, and what happens is not stored for it.', next: 'Repair its receiver, then enable it.' },
      },
    ]
  if (failing_since !== null)
    return [
      {
        ...{ tone, what: `${name} has failed since ${showTime(failing_since)}; ${counted(pending, 'message')} pending.`, link: WEBHOOKS },
        ...{ why: 'Its receiver does not answer 2xx. After days of failures it is disabled.', next: 'See its deliveries.' },
      },
    ]
  if (oldest_pending_at === null || nowMs - Date.parse(oldest_pending_at) <= PENDING_AFTER_MS) return []
  return [
    {
      ...{ tone: 'warn', what: `Messages for the webhook ${id} are not delivered: ${counted(pending, 'message')} pending.`, link: AUTOMATION_LOG },
      ...{ why: 'No process delivers: none aggregates, or those that do have no MASTER_KEY.', next: 'Start "meterline aggregate" with MASTER_KEY.' },
    },
  ]
}

/** Only the process that evaluates knows when it did. */
function thresholds({ background, process, automation }: HealthReport, nowMs: number): Finding[] {
  const { active, evaluated_at } = automation.thresholds
  if (background === null || active === '0' || nowMs - Date.parse(evaluated_at ?? process.started_at) <= NOT_EVALUATED_AFTER_MS) return []
  return [
    {
      ...{ tone: 'warn', what: `Thresholds were last evaluated ${evaluated_at === null ? 'before the start' : `at ${showTime(evaluated_at)}`}.` },
      ...{ why: 'The job fails or waits for the database; no level is notified meanwhile.', next: 'Read its log.', link: AUTOMATION_LOG },
    },
  ]
}
