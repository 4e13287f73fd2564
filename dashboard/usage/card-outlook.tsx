import { compareDecimals } from '../../metering/exact-decimal.ts'
import { counted, exactWithUnit, withUnit } from '../numbers/show-quantity.ts'
import type { Figure } from './figures.ts'
import { LevelMarks } from './level-marks.tsx'
import type { Outlook, Projected } from './read-outlook.ts'

interface CardOutlookProps {
  readonly figure: Figure
  readonly outlook: Outlook
}

/** What a month may become, beside its total: the projection, and the levels of the thresholds of the metric. */
export function CardOutlook({ figure, outlook }: CardOutlookProps) {
  const { metric, unit } = figure
  const projected = outlook.projectedOf(metric)
  return (
    <>
      {projected === undefined ? null : <ProjectedTotal projected={projected} used={figure.total} unit={unit} />}
      {outlook.thresholds
        .filter((threshold) => threshold.metric === metric)
        .map((threshold) => (
          <LevelMarks key={threshold.id} threshold={threshold} figure={figure} />
        ))}
    </>
  )
}

interface ProjectedTotalProps {
  readonly projected: Projected
  /** The total of the month so far. */
  readonly used: string
  readonly unit: string
}

function ProjectedTotal({ projected, used, unit }: ProjectedTotalProps) {
  const { value } = projected
  return (
    <p class="projected" title={exactWithUnit(value, unit)}>
      Projected for the end of the month: <strong>{withUnit(value, unit)}</strong> <small>({basisOf(projected, used)}; never billed)</small>
    </p>
  )
}

/** A projection is never less than what is used: then the mean of the days is not what it shows. */
function basisOf({ value, method, from_days }: Projected, used: string): string {
  if (method === 'greatest_day') return 'its greatest day so far'
  if (method === 'last_value') return 'its latest value'
  if (compareDecimals(value, used) <= 0) return 'what is used already'
  return `the mean of ${counted(from_days, 'complete day')}, times the days of the month`
}
