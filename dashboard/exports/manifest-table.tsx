import type { Manifest } from '../../contract/export-manifest.ts'
import { isMetricName, METRICS } from '../../metering/metrics.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { titleOf } from '../numbers/metric-titles.ts'
import { allDigits, counted, exactWithUnit } from '../numbers/show-quantity.ts'
import { showDay, showMonth, showTime } from '../numbers/show-time.ts'
import { Notice } from '../parts/notice.tsx'
import { Table } from '../parts/table.tsx'

const LINES: Readonly<Record<Manifest['totals'][number]['line'], string>> = {
  usage: 'Usage',
  adjustment: 'Adjustments for late usage',
  manual: 'Manual adjustments',
}

/** What an export contains, without its file: whose rows they are, how many, and what they add up to. */
export function ManifestSummary({ manifest }: { manifest: AsText<Manifest> }) {
  const { month, from, to, partners, partner_id, status, as_of, rows, statement_sha256 } = manifest
  return (
    <>
      <Notice>
        <p>
          {month === null ? `${showDay(from)} – ${showDay(to)}` : showMonth(month)},{' '}
          {partner_id === null ? counted(partners, 'partner') : <code>{partner_id}</code>}: <strong>{counted(rows, 'row')}</strong>.{' '}
          {status === 'closed' ? 'Closed: these rows never change.' : 'Open: a later export may have other rows.'}{' '}
          {as_of === null ? 'No event was counted yet.' : `Complete as of ${showTime(as_of)}.`}
        </p>
        {statement_sha256 === null ? null : (
          <p>
            SHA-256 of the statement <code>{statement_sha256}</code>
          </p>
        )}
      </Notice>
      <ManifestTable totals={manifest.totals} />
    </>
  )
}

/** The rows of an export, and the sum of their values, by kind of line and metric. */
export function ManifestTable({ totals }: { totals: AsText<Manifest>['totals'] }) {
  return (
    <Table
      caption="Totals of the export"
      columns={['Line', 'Metric', { title: 'Rows', isNumber: true }, { title: 'Sum of the values', isNumber: true }]}
      empty="The export has no rows: nothing was used in this time."
      rows={totals.map(({ line, metric, rows, value }) => ({
        key: JSON.stringify([line, metric]),
        cells: [
          LINES[line],
          <span>
            {titleOf(metric)} <code>{metric}</code>
          </span>,
          allDigits(rows),
          <span data-total={metric}>{isMetricName(metric) ? exactWithUnit(value, METRICS[metric].unit) : allDigits(value)}</span>,
        ],
      }))}
    />
  )
}
