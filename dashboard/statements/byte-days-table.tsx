import { addDecimals, compareDecimals } from '../../metering/exact-decimal.ts'
import { gbMonths } from '../numbers/gb-months.ts'
import { titleOf } from '../numbers/metric-titles.ts'
import { allDigits, exactWithUnit } from '../numbers/show-quantity.ts'
import { type Column, Table } from '../parts/table.tsx'
import type { AdjustmentLine, Statement } from './read-statements.ts'

/**
 * The second value of each peak: the sum of its days, and by how much this statement corrects those of other months. A statement was read
 * without them only if they are not known.
 */
export function ByteDaysTable({ statement: { byte_days, adjustments } }: { statement: Statement }) {
  if (byte_days === undefined)
    return (
      <p class="hint">
        The sums of the days of this statement are not known, because an earlier version of Meterline did not keep what they are computed from.
      </p>
    )
  const used = byte_days.filter(({ metric, days_with_samples }) => days_with_samples !== '0' || correctionOf(metric, adjustments) !== '0')
  if (used.length === 0) return null
  const isCorrecting = used.some(({ metric }) => correctionOf(metric, adjustments) !== '0')
  const columns: Column[] = [
    'Metric',
    { title: 'Sum of the days', isNumber: true },
    { title: 'Days with samples', isNumber: true },
    'In GB-months',
    ...(isCorrecting ? [{ title: 'Corrections of other months', isNumber: true } as const] : []),
  ]
  return (
    <>
      <Table
        caption="Sums of days"
        columns={columns}
        rows={used.map((each) => ({
          key: each.metric,
          cells: [
            titleOf(each.metric),
            <span data-byte-days={each.metric}>{exactWithUnit(each.value, each.unit)}</span>,
            allDigits(each.days_with_samples),
            gbMonths(each) ?? '',
            ...(isCorrecting ? [exactWithUnit(correctionOf(each.metric, adjustments), each.unit)] : []),
          ],
        }))}
      />
      <p class="hint">A peak is billed by its greatest day. The sum of its days is its second value: it adds up over projects and months.</p>
    </>
  )
}

function correctionOf(metric: string, adjustments: readonly AdjustmentLine[]): string {
  return adjustments.reduce((sum, line) => (line.metric === metric ? addDecimals(sum, line.byte_days ?? '0') : sum), '0')
}

/** Lines that correct the value of a metric, and not its byte-days alone. */
export function correctionsOfValues(adjustments: readonly AdjustmentLine[]): AdjustmentLine[] {
  return adjustments.filter(({ value }) => compareDecimals(value, '0') !== 0)
}
