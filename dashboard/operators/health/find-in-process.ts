import { compareDecimals, subtractDecimals } from '../../../metering/exact-decimal.ts'
import { linkTo } from '../../address/address.ts'
import { counted, withUnit } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import type { Finding } from './finding.ts'
import type { HealthReport } from './read-report.ts'

const MS_PER_HOUR = 3_600_000
/** A finished day is audited within minutes; the audit of a whole backlog may take a day. */
const AUDITED_HOURS_MAX = 26
const WORK_STALE_MS = 15 * 60_000
const FREE_SHARE_BAD = 0.05
const FREE_SHARE_WARN = 0.15

const AGGREGATE_LOG = { href: linkTo(['service-logs'], { source: 'aggregate', level: 'warn' }), title: 'Log lines of totals and closings' }
const AUDITS = { href: linkTo(['audits']), title: 'Audits' }

/** Whether totals are proven, months close, and the disk has space. */
export function findInProcess(report: HealthReport, nowMs: number): Finding[] {
  return [...audits(report, nowMs), ...months(report), ...work(report, nowMs), ...disks(report)]
}

function audits({ background, process }: HealthReport, nowMs: number): Finding[] {
  if (background === null) return []
  const findings: Finding[] = []
  const differences = background.audits?.differences ?? '0'
  if (differences !== '0')
    findings.push({
      ...{ tone: 'bad', what: `The audits found ${counted(differences, 'difference')}.`, link: AUDITS },
      ...{ why: 'Totals differ from a recount of the raw events. The owner of the log repairs what it can.', next: 'See the days, and audit them again.' },
    })
  const completeAt = background.audits?.complete_at ?? null
  if (nowMs - Date.parse(completeAt ?? process.started_at) > AUDITED_HOURS_MAX * MS_PER_HOUR)
    findings.push({
      ...{ tone: 'warn', why: 'Audits fail or are slow; totals are unproven since then.', next: 'See which days have no audit.', link: AUDITS },
      what: completeAt === null ? 'Not every finished day is audited.' : `Every finished day was last known to be audited at ${showTime(completeAt)}.`,
    })
  return findings
}

function months({ background }: HealthReport): Finding[] {
  const state = background?.months ?? null
  if (state === null) return []
  const findings: Finding[] = []
  if (state.clock_disagreement !== null)
    findings.push({
      tone: 'bad',
      what: 'No month is closed automatically.',
      why: state.clock_disagreement,
      next: 'Correct the clock of the host (meterline docs clocks).',
    })
  const waiting = subtractDecimals(state.overdue, state.unconfirmed)
  if (compareDecimals(waiting, '0') > 0)
    findings.push({
      ...{ tone: 'warn', what: `${counted(waiting, 'partner')} ${waiting === '1' ? 'has' : 'have'} a month that is due and could not be closed.` },
      ...{ why: 'The log names each partner, month and reason.', next: 'Read it, then close the month.', link: AGGREGATE_LOG },
    })
  if (state.unconfirmed !== '0')
    findings.push({
      ...{
        tone: 'warn',
        what: `The due month of ${counted(state.unconfirmed, 'partner')} waits for an operator.`,
        why: 'Only a clock says that the month is over.',
      },
      next: 'Check the date, then close the month (meterline docs clocks).',
      link: { href: linkTo(['months']), title: 'Months' },
    })
  if (state.negative_adjustments !== '0')
    findings.push({
      ...{ tone: 'bad', what: `${counted(state.negative_adjustments, 'correction')} of the last 30 days lowered what was billed.` },
      ...{ why: 'Usage never shrinks, so something counted too much before.', next: 'Read the log, then explain the figure.', link: AGGREGATE_LOG },
    })
  return findings
}

function work({ background, process }: HealthReport, nowMs: number): Finding[] {
  return (background?.work ?? []).flatMap(({ name, every_seconds, failures, last_success_at }): Finding[] => {
    const staleMs = WORK_STALE_MS + Number(every_seconds) * 1_000
    if (failures === '0' || nowMs - Date.parse(last_success_at ?? process.started_at) < staleMs) return []
    const since = last_success_at === null ? 'the start' : showTime(last_success_at)
    return [
      {
        ...{
          tone: 'warn',
          what: `The background job ${name} has not succeeded since ${since}.`,
          why: `It failed ${counted(failures, 'time')} since the start.`,
        },
        ...{ next: 'Read its log.', link: { href: linkTo(['service-logs'], { level: 'error' }), title: 'Errors in the log' } },
      },
    ]
  })
}

function disks({ database }: HealthReport): Finding[] {
  return database.disks.flatMap(({ name, free_bytes, total_bytes }): Finding[] => {
    const share = Number(free_bytes) / Number(total_bytes)
    if (!(share < FREE_SHARE_WARN)) return []
    return [
      {
        tone: share < FREE_SHARE_BAD ? 'bad' : 'warn',
        what: `The disk ${name} of the database has ${(share * 100).toFixed(0)} % left, ${withUnit(free_bytes, 'byte')}.`,
        ...{ why: 'Without space no event is accepted. Raw events are kept permanently.', next: 'Enlarge the disk; the largest tables are below.' },
      },
    ]
  })
}
