import { allDigits, counted } from '../../numbers/show-quantity.ts'
import { showDay } from '../../numbers/show-time.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { Badge } from '../../parts/notice.tsx'
import { Table } from '../../parts/table.tsx'
import type { HealthReport } from './read-report.ts'

type Background = NonNullable<HealthReport['background']>

/** What the process does automatically: totals, audits, closings. */
export function BackgroundWork({ background }: Pick<HealthReport, 'background'>) {
  return (
    <section aria-labelledby="background">
      <h2 id="background">Background work</h2>
      {background === null ? (
        <p class="hint">This process does none. The one that aggregates answers for itself.</p>
      ) : (
        <>
          <Table
            caption="Background work of this process"
            columns={['Work', 'State', { title: 'Runs', isNumber: true }, { title: 'Failures', isNumber: true }, 'Last success']}
            empty="None has run yet; it begins within seconds of the start."
            rows={background.work.map(({ name, runs, failures, last_success_at }) => ({
              key: name,
              cells: [
                name.replaceAll('_', ' '),
                failures === '0' ? <Badge tone="good">no failure</Badge> : <Badge tone="warn">has failed</Badge>,
                allDigits(runs),
                allDigits(failures),
                timeOr(last_success_at, 'never'),
              ],
            }))}
          />
          <ul class="facts">
            <li>{sentenceOfAudits(background.audits)}</li>
            <li>{sentenceOfMonths(background.months)}</li>
          </ul>
        </>
      )}
    </section>
  )
}

function sentenceOfAudits(audits: Background['audits']): string {
  if (audits === null) return 'Audits: none has run since this process started.'
  const found = `Audits: ${counted(audits.differences, 'difference')}`
  const last = audits.last_day === null ? 'no day is audited yet' : `the last audited day is ${showDay(audits.last_day)}`
  return `${found}; ${last}; every finished day was last known to be audited: ${timeOr(audits.complete_at, 'never')}.`
}

function sentenceOfMonths(months: Background['months']): string {
  if (months === null) return 'Months: not looked at yet, which happens 15 minutes after the start.'
  if (months.overdue === '0') return 'Months: none is overdue.'
  return `Months: ${counted(months.overdue, 'partner')} with a month that is overdue, ${allDigits(months.unconfirmed)} of them waiting for an operator.`
}
