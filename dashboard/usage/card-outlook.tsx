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
      {projected === undefined ? null : <ProjectedTotal projected={projected} unit={unit} />}
      {outlook.thresholds
        .filter((threshold) => threshold.metric === metric)
        .map((threshold) => (
          <LevelMarks key={threshold.id} threshold={threshold} figure={figure} />
        ))}
    </>
  )
}

function ProjectedTotal({ projected: { value, method, from_days }, unit }: { projected: Projected; unit: string }) {
  const basis = method === 'greatest_day' ? 'its greatest day so far' : `the mean of ${counted(from_days, 'complete day')}, times the days of the month`
  return (
    <p class="projected" title={exactWithUnit(value, unit)}>
      Projected for the end of the month: <strong>{withUnit(value, unit)}</strong> <small>({basis}; never billed)</small>
    </p>
  )
}
