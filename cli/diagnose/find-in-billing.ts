import { counted } from '../../metering/counted.ts'
import { type Finding, namesOf } from './finding.ts'
import type { State } from './read-state.ts'

/** A finished day is audited within minutes; the audit of a whole backlog may take a day. */
const AUDITED_HOURS_MAX = 26
const MS_PER_HOUR = 3_600_000

/** Whether every event is billed to somebody, and the totals are proven. */
export function findInBilling(state: State): Finding[] {
  return [...unregistered(state), ...audits(state), ...months(state)]
}

function unregistered({ unregistered: projects = [] }: State): Finding[] {
  if (projects.length === 0) return []
  const names = projects.map(({ id, similar_project_ids: [similar] }) => (similar === undefined ? id : `${id} (like ${similar})`))
  const events = projects.reduce((total, each) => total + each.events, 0)
  return [
    {
      ...{ id: 'unregistered_projects', severity: 'critical', category: 'billing' },
      what: `${counted(projects.length, 'project')} with usage ${projects.length === 1 ? 'is' : 'are'} not registered: ${namesOf(names)}.`,
      cause: `No partner is billed for ${counted(events, 'event')} of the last 31 days. They are kept, and belong to a partner as soon as the project is registered.`,
      next: 'meterline unregistered, then register the project, or correct the emitter',
    },
  ]
}

function audits({ nowMs, audits: days = [], report: { background, process } }: State): Finding[] {
  const findings: Finding[] = []
  const different = days.filter(({ differences }) => differences > 0)
  const [first] = different
  const others = background?.audits?.differences ?? 0
  if (first !== undefined || others > 0)
    findings.push({
      ...{ id: 'audit_differences', severity: 'critical', category: 'billing' },
      what:
        first === undefined
          ? `The audits of earlier days found ${counted(others, 'difference')}.`
          : `The audit found differences on ${namesOf(different.map(({ usage_date }) => usage_date))}.`,
      cause: 'Totals differ from a recount of the raw events. The owner of the log repairs what it can.',
      next: first === undefined ? 'meterline audit' : `meterline audit --from ${different.at(-1)?.usage_date} --to ${first.usage_date}`,
    })
  const completeAt = background?.audits?.complete_at ?? null
  const sinceMs = Date.parse(completeAt ?? process.started_at)
  if (background !== null && nowMs - sinceMs > AUDITED_HOURS_MAX * MS_PER_HOUR)
    findings.push({
      ...{ id: 'audit_evidence_old', severity: 'warning', category: 'billing' },
      what: completeAt === null ? 'Not every finished day is audited.' : `Every finished day was last known to be audited at ${completeAt}.`,
      cause: 'Audits fail or are slow; totals are unproven since then.',
      next: 'meterline logs audit --level warn',
    })
  return findings
}

function months({ report: { background } }: State): Finding[] {
  const state = background?.months
  if (state === null || state === undefined) return []
  const findings: Finding[] = []
  if (state.clock_disagreement !== null)
    findings.push({
      ...{ id: 'clocks_disagree', severity: 'critical', category: 'billing', what: 'No month is closed automatically.' },
      ...{ cause: state.clock_disagreement, next: 'Correct the clock of the host (meterline docs clocks)' },
    })
  const waiting = state.overdue - state.unconfirmed
  if (waiting > 0)
    findings.push({
      ...{ id: 'months_due', severity: 'warning', category: 'billing' },
      what: `${counted(waiting, 'partner')} ${waiting === 1 ? 'has' : 'have'} a month that is due and could not be closed.`,
      ...{ cause: 'The log names each partner, month and reason.', next: 'meterline logs aggregate --level warn, then meterline close --month <month>' },
    })
  if (state.unconfirmed > 0)
    findings.push({
      ...{ id: 'months_unconfirmed', severity: 'warning', category: 'billing' },
      what: `The due month of ${counted(state.unconfirmed, 'partner')} waits for an operator.`,
      ...{ cause: 'Only a clock says that the month is over.', next: 'Check the date, then meterline close --month <month> (meterline docs clocks)' },
    })
  if (state.negative_adjustments > 0)
    findings.push({
      ...{ id: 'negative_adjustments', severity: 'critical', category: 'billing' },
      what: `${counted(state.negative_adjustments, 'correction')} of the last 30 days lowered what was billed.`,
      ...{ cause: 'Usage never shrinks, so something counted too much before.', next: 'meterline logs aggregate --level error, then meterline explain' },
    })
  return findings
}
