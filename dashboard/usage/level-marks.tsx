import { addDecimals, compareDecimals, subtractDecimals } from '../../metering/exact-decimal.ts'
import { isKindOfStates } from '../../metering/metrics.ts'
import { valueOfLevel } from '../automation/thresholds/value-of-level.ts'
import { titleOf } from '../numbers/metric-titles.ts'
import { exactWithUnit } from '../numbers/show-quantity.ts'
import { showDay } from '../numbers/show-time.ts'
import type { Figure } from './figures.ts'
import type { Threshold } from './read-outlook.ts'

interface LevelMarksProps {
  readonly threshold: Threshold
  readonly figure: Figure
}

const WIDTH = 100
const HEIGHT = 8
/** Of the track; marks stand out above and below it. */
const TRACK = { y: 2, height: 4 }
const MARK_WIDTH = 0.6

/** How much of each level of a threshold is used. Only what is drawn goes through a double. */
export function LevelMarks({ threshold, figure }: LevelMarksProps) {
  const { metric, unit, total } = figure
  const levels = threshold.levels
    .map((level) => ({ name: level.name, value: valueOfLevel(level, threshold.budget) }))
    .sort((left, right) => compareDecimals(left.value, right.value))
  const greatest = Math.max(Number(total), ...levels.map(({ value }) => Number(value)))
  const widthOf = (value: string) => (greatest === 0 ? WIDTH : (Number(value) / greatest) * WIDTH)
  return (
    <div class="level-marks" data-threshold={metric}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`Threshold of ${titleOf(metric)}`}>
        <rect class="track" x={0} width={WIDTH} {...TRACK} />
        <rect class="used" x={0} width={widthOf(total)} {...TRACK} />
        {levels.map(({ name, value }) => (
          <rect key={name} class="level-mark" x={Math.max(0, widthOf(value) - MARK_WIDTH)} width={MARK_WIDTH} y={0} height={HEIGHT} />
        ))}
      </svg>
      <ul class="level-list">
        {levels.map(({ name, value }) => (
          <li key={name}>
            {name} at {exactWithUnit(value, unit)}: {stateOf(figure, value)}
          </li>
        ))}
      </ul>
    </div>
  )
}

/** A level is reached when usage is equal to it or greater. */
function stateOf(figure: Figure, value: string): string {
  const { unit, total } = figure
  if (compareDecimals(total, value) < 0) return `${exactWithUnit(subtractDecimals(value, total), unit)} left`
  const day = dayReached(figure, value)
  return day === undefined ? 'reached' : `reached on ${showDay(day)}`
}

/** A sum grows from day to day; a peak is reached on the first day that is as great. Days of other kinds do not say when a level was reached. */
function dayReached({ kind, days }: Figure, value: string): string | undefined {
  if (isKindOfStates(kind)) return undefined
  let sum = '0'
  for (const [day, used] of [...days].sort(([left], [right]) => (left < right ? -1 : 1))) {
    sum = addDecimals(sum, used)
    if (compareDecimals(kind === 'peak' ? used : sum, value) >= 0) return day
  }
  return undefined
}
