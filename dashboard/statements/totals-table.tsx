import { titleOf } from '../numbers/metric-titles.ts'
import { counted, exactWithUnit } from '../numbers/show-quantity.ts'
import { showDay } from '../numbers/show-time.ts'
import { type Column, Table } from '../parts/table.tsx'
import type { Statement, StatementTotal } from './read-statements.ts'
import { adjustmentsByMetric, unbilledOf, usedTotals } from './sums.ts'

/** The totals of a statement: all digits, metrics without usage left out. With adjustments also what they add up to. */
export function TotalsTable({ statement: { statement, totals, adjustments } }: { statement: Statement }) {
  const isClosed = statement.status === 'closed'
  const added = adjustmentsByMetric(adjustments)
  const shown = totals.filter((total) => added.has(total.metric) || usedTotals([total]).length > 0)
  const columns: Column[] = [
    'Metric',
    { title: 'Usage', isNumber: true },
    'Peak day',
    ...(added.size === 0 ? [] : [{ title: 'Adjustments of other months', isNumber: true } as const]),
    ...(isClosed ? [{ title: 'Unbilled', isNumber: true } as const] : []),
  ]
  const unused = totals.length - shown.length
  return (
    <>
      <Table
        caption="Totals"
        columns={columns}
        empty={isClosed ? 'Nothing was used in this month.' : 'Nothing was used in this month so far.'}
        rows={shown.map((total) => ({
          key: total.metric,
          cells: [
            <MetricTitle metric={total.metric} kind={total.kind} />,
            <strong data-total={total.metric}>{exactWithUnit(total.value, total.unit)}</strong>,
            total.peak_day === null ? '' : showDay(total.peak_day),
            ...(added.size === 0 ? [] : [adjustmentCell(total, added.get(total.metric))]),
            ...(isClosed ? [unbilledCell(total)] : []),
          ],
        }))}
      />
      {unused === 0 || shown.length === 0 ? null : <p class="hint">{counted(unused, 'other metric')} without usage.</p>}
      {isClosed ? null : <p class="hint">The month is not closed: its usage is not on any bill yet, and can still grow.</p>}
    </>
  )
}

function MetricTitle({ metric, kind }: Pick<StatementTotal, 'metric' | 'kind'>) {
  return (
    <span>
      {titleOf(metric)} <code>{metric}</code> <span class="hint">{kind === 'cumulative' ? 'sum' : kind}</span>
    </span>
  )
}

/** Beside the usage, never added to it: they belong to other months. */
function adjustmentCell({ unit }: StatementTotal, added: string | undefined): string {
  return added === undefined ? '' : exactWithUnit(added, unit)
}

function unbilledCell(total: StatementTotal): string {
  const value = unbilledOf(total)
  return value === undefined ? 'nothing' : exactWithUnit(value, total.unit)
}
