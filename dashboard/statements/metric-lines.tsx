import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import { linkOfSubject } from '../address/subject.ts'
import { titleOf } from '../numbers/metric-titles.ts'
import { allDigits, counted, exactWithUnit } from '../numbers/show-quantity.ts'
import { showDay } from '../numbers/show-time.ts'
import { Table } from '../parts/table.tsx'
import { StatusBadge } from '../projects/status-badge.tsx'
import type { MonthOfSubject, StatementTotal } from './read-statements.ts'
import type { MetricLines } from './sums.ts'

interface MetricLinesProps extends MonthOfSubject {
  readonly total: StatementTotal
  readonly metricLines: MetricLines
  readonly isOpenAtFirst: boolean
}

const ROWS_AT_ONCE = 200

/** The lines of a metric, greatest first. A long list is built when it is opened, and never as a whole: tens of thousands of rows would stop the page. */
export function MetricLinesSection({ total, metricLines, isOpenAtFirst, ...place }: MetricLinesProps) {
  const { lines, sum } = metricLines
  const isLong = lines.length > ROWS_AT_ONCE
  const [isOpen, setOpen] = useState(isOpenAtFirst)
  const details = useRef<HTMLDetailsElement>(null)
  useOpenOnPaper(details, !isLong)
  return (
    <details ref={details} class={`panel lines ${isLong ? 'is-long' : ''}`} open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <strong>{titleOf(total.metric)}</strong> {counted(lines.length, 'line')}, together {exactWithUnit(sum, total.unit)}
      </summary>
      {isOpen || !isLong ? <LineRows total={total} metricLines={metricLines} {...place} /> : null}
      {isLong ? (
        <p class="print-only">
          {counted(lines.length, 'line')}, not printed here. {linesOfFile(place)}
        </p>
      ) : null}
    </details>
  )
}

/** Where all lines are, for a page on paper that has not all of them. */
export function linesOfFile({ subject: { partnerId }, month }: MonthOfSubject): string {
  return `Every line is in the export of the statement: meterline export --month ${month} --partner ${partnerId}`
}

/** Closed details are not printed. The element is opened itself: a new state would be drawn after the page was taken. */
function useOpenOnPaper(details: { readonly current: HTMLDetailsElement | null }, isPrinted: boolean): void {
  useEffect(() => {
    if (!isPrinted) return
    let wasOpen = true
    const before = () => {
      wasOpen = details.current?.open ?? true
      if (details.current !== null) details.current.open = true
    }
    const after = () => {
      if (details.current !== null) details.current.open = wasOpen
    }
    addEventListener('beforeprint', before)
    addEventListener('afterprint', after)
    return () => {
      removeEventListener('beforeprint', before)
      removeEventListener('afterprint', after)
    }
  }, [details, isPrinted])
}

function LineRows({ subject, month, total, metricLines }: Omit<MetricLinesProps, 'isOpenAtFirst'>) {
  const { metric, kind, unit, value, peak_day } = total
  const isPeak = kind === 'peak'
  const [shownMax, setShownMax] = useState(ROWS_AT_ONCE)
  const sorted = useMemo(() => metricLines.lines.toSorted((left, right) => compareDecimals(right.value, left.value)), [metricLines])
  const isEqual = compareDecimals(metricLines.sum, value) === 0
  const more = sorted.length - shownMax
  return (
    <>
      <Table
        caption={`Lines of ${titleOf(metric)}`}
        isCaptionHidden
        columns={[
          'Project',
          'Status',
          { title: isPeak ? (peak_day === null ? 'On the peak day' : `On ${showDay(peak_day)}, the peak day`) : 'Sum', isNumber: true },
          ...(isPeak ? [{ title: 'Own maximum', isNumber: true } as const] : []),
          { title: 'Events', isNumber: true },
        ]}
        rows={sorted.slice(0, shownMax).map((line) => ({
          key: line.project_id,
          cells: [
            <span>
              <a href={linkOfSubject(subject, ['projects', line.project_id], { month })}>{line.name}</a> <code>{line.project_id}</code>
            </span>,
            <StatusBadge status={line.status} deletedAt={line.deleted_at} />,
            exactWithUnit(line.value, unit),
            ...(isPeak ? [line.own_max === null ? '' : ownMaximum(exactWithUnit(line.own_max, unit), line.own_max_day)] : []),
            allDigits(line.events),
          ],
        }))}
        {...(more > 0
          ? {}
          : {
              foot: {
                key: 'total',
                cells: [
                  isEqual ? 'The lines add up to the total' : 'The lines add up to',
                  '',
                  <strong>{exactWithUnit(metricLines.sum, unit)}</strong>,
                  ...(isPeak ? [''] : []),
                  '',
                ],
              },
            })}
      />
      {more > 0 ? (
        <p class="pages">
          <span role="status">
            {allDigits(String(shownMax))} of {counted(sorted.length, 'line')} shown
          </span>
          <button type="button" onClick={() => setShownMax(shownMax + ROWS_AT_ONCE)}>
            Show {allDigits(String(Math.min(more, ROWS_AT_ONCE)))} more
          </button>
        </p>
      ) : null}
    </>
  )
}

function ownMaximum(value: string, day: string | null) {
  return (
    <span>
      {value}
      {day === null ? null : <small> on {showDay(day)}</small>}
    </span>
  )
}
