import { allDigits } from '../../numbers/show-quantity.ts'
import { showDay, showTime } from '../../numbers/show-time.ts'
import { Notice } from '../../parts/notice.tsx'
import { Table } from '../../parts/table.tsx'
import type { DayAudit } from './read-audits.ts'

interface AuditedDayProps {
  readonly day: string
  readonly today: string
  readonly audit: DayAudit | undefined
}

/** The stored audit of a day: four counts of the same events, and what differs. */
export function AuditedDay({ day, today, audit }: AuditedDayProps) {
  if (audit === undefined)
    return (
      <Notice>
        <strong>{showDay(day)}</strong>
        <p>
          {day >= today
            ? 'The day is not finished in UTC yet. It is audited after midnight.'
            : 'No audit of this day is stored. A finished day with events is audited within minutes; after a long pause, that of a whole backlog may take a day.'}
        </p>
      </Notice>
    )
  const { accepted_events, raw_events, rollup_events, partnership_events, differences, audited_at, as_of } = audit
  return (
    <>
      <Table
        caption={`Audit of ${showDay(day)}`}
        columns={['Counted from', { title: 'Events', isNumber: true }, 'What it is']}
        rows={[
          { key: 'accepted', cells: ['Log', allDigits(accepted_events), 'Places in the log where an event of the day was accepted'] },
          { key: 'raw', cells: ['Raw', allDigits(raw_events), 'Events that are kept. More places in the log than events would count some twice'] },
          { key: 'rollup', cells: ['Rollup', allDigits(rollup_events), 'Sums by project, day and metric'] },
          {
            key: 'partnership',
            cells: ['Partners', allDigits(partnership_events), 'Sums by partner. Lower by the events of projects that are not registered'],
          },
        ]}
        foot={{
          key: 'differences',
          cells: [
            'Differences',
            <strong>{allDigits(differences)}</strong>,
            differences === '0' ? 'The totals are the same as the recount' : 'Run an audit of this day to see each',
          ],
        }}
      />
      <p class="hint">
        Audited {showTime(audited_at)}, complete as of {showTime(as_of)}.
      </p>
    </>
  )
}
