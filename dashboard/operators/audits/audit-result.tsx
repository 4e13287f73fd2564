import { allDigits, counted } from '../../numbers/show-quantity.ts'
import { showDay } from '../../numbers/show-time.ts'
import { Notice } from '../../parts/notice.tsx'
import { Table } from '../../parts/table.tsx'
import type { AuditReport } from './read-audits.ts'

/** What an audit found. */
export function AuditResult({ report }: { report: AuditReport }) {
  const { events_recounted, keys_compared, differences, partnership_differences, truncated } = report
  const found = differences.length + partnership_differences.length
  return (
    <>
      <Notice tone={found === 0 ? 'good' : 'bad'}>
        <strong>
          {truncated ? 'More than ' : ''}
          {counted(found, 'difference')}
        </strong>
        <p>
          {counted(events_recounted, 'event')} counted again, {allDigits(keys_compared)} totals of a project, day and metric compared.
          {found === 0 ? '' : ' A repair was requested. Run the audit again in a minute; if the differences stay, read why in the service log.'}
        </p>
      </Notice>
      {differences.length === 0 ? null : (
        <Table
          caption="Totals that differ from the raw events"
          columns={[
            'Project',
            'Day',
            'Metric',
            { title: 'Raw events', isNumber: true },
            { title: 'Rollup events', isNumber: true },
            { title: 'Raw total', isNumber: true },
            { title: 'Rollup total', isNumber: true },
            { title: 'Raw maximum', isNumber: true },
            { title: 'Rollup maximum', isNumber: true },
          ]}
          rows={differences.map((each) => ({
            key: JSON.stringify([each.project_id, each.usage_date, each.metric]),
            cells: [
              each.project_id,
              showDay(each.usage_date),
              each.metric,
              ...[each.raw_events, each.rollup_events, each.raw_total, each.rollup_total, each.raw_peak, each.rollup_peak].map(allDigits),
            ],
          }))}
        />
      )}
      {partnership_differences.length === 0 ? null : (
        <Table
          caption="Days of partners that differ from the raw events"
          columns={[
            'Partner',
            'Day',
            'Metric',
            { title: 'Raw events', isNumber: true },
            { title: 'Kept events', isNumber: true },
            { title: 'Raw value', isNumber: true },
            { title: 'Kept value', isNumber: true },
          ]}
          rows={partnership_differences.map((each) => ({
            key: JSON.stringify([each.partner_id, each.usage_date, each.metric]),
            cells: [
              each.partner_id,
              showDay(each.usage_date),
              each.metric,
              ...[each.raw_events, each.kept_events, each.raw_value, each.kept_value].map(allDigits),
            ],
          }))}
        />
      )}
    </>
  )
}
