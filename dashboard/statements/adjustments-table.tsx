import { useState } from 'preact/hooks'
import { titleOf } from '../numbers/metric-titles.ts'
import { counted, exactWithUnit } from '../numbers/show-quantity.ts'
import { showMonth } from '../numbers/show-time.ts'
import { Table } from '../parts/table.tsx'
import type { AdjustmentLine, StatementTotal } from './read-statements.ts'

interface AdjustmentsTableProps {
  readonly adjustments: readonly AdjustmentLine[]
  readonly totals: readonly StatementTotal[]
  readonly isClosed: boolean
}

const ROWS_AT_ONCE = 200

/** What this statement corrects of other months, each with its reason. */
export function AdjustmentsTable({ adjustments, totals, isClosed }: AdjustmentsTableProps) {
  const [shownMax, setShownMax] = useState(ROWS_AT_ONCE)
  const more = adjustments.length - shownMax
  return (
    <section class="adjustments" aria-labelledby="adjustments">
      <h2 id="adjustments">Adjustments</h2>
      <Table
        caption={isClosed ? 'Adjustments on this statement' : 'Adjustments that this statement will have'}
        isCaptionHidden
        columns={['For month', 'Project', 'Metric', 'Kind', { title: 'Value', isNumber: true }, 'Reason']}
        empty={isClosed ? 'No adjustments on this statement.' : 'No adjustments so far.'}
        rows={adjustments.slice(0, shownMax).map((line, index) => ({
          key: String(index),
          cells: [
            showMonth(line.for_month),
            line.project_id === null ? 'all projects' : <code>{line.project_id}</code>,
            titleOf(line.metric),
            KINDS[line.kind],
            signed(line, totals),
            line.reason ?? (line.kind === 'adjustment' ? 'usage that arrived after its month was closed' : ''),
          ],
        }))}
      />
      {more > 0 ? (
        <p class="pages">
          <span role="status">{counted(more, 'adjustment')} not shown</span>
          <span class="print-only">Every line is in the export of the statement.</span>
          <button type="button" onClick={() => setShownMax(shownMax + ROWS_AT_ONCE)}>
            Show more
          </button>
        </p>
      ) : null}
    </section>
  )
}

const KINDS = { adjustment: 'late usage', manual: 'manual' } as const

/** A closed statement may correct a metric that it has no total of: then the unit is unknown. */
function signed({ metric, value }: AdjustmentLine, totals: readonly StatementTotal[]): string {
  const unit = totals.find((total) => total.metric === metric)?.unit
  const text = unit === undefined ? value : exactWithUnit(value, unit)
  return value.startsWith('-') ? text : `+${text}`
}
