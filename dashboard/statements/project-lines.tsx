import { compareDecimals } from '../../metering/exact-decimal.ts'
import { counted, exactWithUnit } from '../numbers/show-quantity.ts'
import { Notice } from '../parts/notice.tsx'
import { linesOfFile, MetricLinesSection } from './metric-lines.tsx'
import type { MonthOfSubject, StatementTotal } from './read-statements.ts'
import type { MetricLines } from './sums.ts'

interface ProjectLinesProps extends MonthOfSubject {
  readonly totals: readonly StatementTotal[]
  readonly lines: ReadonlyMap<string, MetricLines>
}

/** A statement with at most so many lines shows all of them. */
const LINES_SHOWN_AT_ONCE = 60

/** What each project adds to each metric. The lines are added up here, so that a reader need not take it on trust that they are the total. */
export function ProjectLines({ subject, month, totals, lines }: ProjectLinesProps) {
  const count = [...lines.values()].reduce((sum, { lines: ofMetric }) => sum + ofMetric.length, 0)
  const metrics = totals.filter(({ metric }) => lines.has(metric))
  return (
    <section class="project-lines" aria-labelledby="project-lines">
      <h2 id="project-lines">Lines of projects</h2>
      {count === 0 ? (
        <p class="hint">No project used anything in this month. Lines appear here with the first event.</p>
      ) : (
        <Verdict totals={totals} lines={lines} count={count} />
      )}
      {metrics.map((total) => {
        const ofMetric = lines.get(total.metric)
        return ofMetric === undefined ? null : (
          <MetricLinesSection
            key={total.metric}
            subject={subject}
            month={month}
            total={total}
            metricLines={ofMetric}
            isOpenAtFirst={count <= LINES_SHOWN_AT_ONCE}
          />
        )
      })}
      <p class="print-only">
        {counted(count, 'line')} in all. {linesOfFile({ subject, month })}
      </p>
    </section>
  )
}

interface VerdictProps {
  readonly totals: readonly StatementTotal[]
  readonly lines: ReadonlyMap<string, MetricLines>
  readonly count: number
}

function Verdict({ totals, lines, count }: VerdictProps) {
  const differing = totals.filter(({ metric, value }) => compareDecimals(lines.get(metric)?.sum ?? '0', value) !== 0)
  const withoutTotal = [...lines.keys()].filter((metric) => !totals.some((total) => total.metric === metric))
  if (differing.length === 0 && withoutTotal.length === 0)
    return (
      <Notice tone="good">
        <span role="status">The lines add up to the total, in every metric: {counted(count, 'line')} added up here, with all digits.</span>
      </Notice>
    )
  return (
    <Notice tone="bad">
      <strong>The lines do not add up to the total</strong>
      <ul class="facts">
        {differing.map(({ metric, unit, value }) => (
          <li key={metric}>
            <code>{metric}</code>: the lines add up to {exactWithUnit(lines.get(metric)?.sum ?? '0', unit)}, the total says {exactWithUnit(value, unit)}
          </li>
        ))}
        {withoutTotal.map((metric) => (
          <li key={metric}>
            <code>{metric}</code>: there are lines, but no total
          </li>
        ))}
      </ul>
      <p>While a month is open, usage that arrives in between changes both: refresh. If it stays, report it with the month and the partner.</p>
    </Notice>
  )
}
