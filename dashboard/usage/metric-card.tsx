import { useState } from 'preact/hooks'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import { ruleOf } from '../../metering/metric-rules.ts'
import { addDays, daysBetween, daysOf, type Period, periodOfMonth } from '../address/period.ts'
import { type Bar, Bars } from '../charts/bars.tsx'
import { titleOf } from '../numbers/metric-titles.ts'
import { exactWithUnit, withUnit } from '../numbers/show-quantity.ts'
import { showDay, showMonth } from '../numbers/show-time.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { session } from '../session/session.ts'
import { ByteDaysOfCard } from './byte-days-of-card.tsx'
import { CardOutlook } from './card-outlook.tsx'
import { cliOf, curlOf, pageLinkOf } from './copied-requests.ts'
import { Explanation } from './explanation.tsx'
import { type Figure, isUsed } from './figures.ts'
import type { Outlook } from './read-outlook.ts'
import type { ShownUsage } from './shown-usage.ts'

interface MetricCardProps extends ShownUsage {
  readonly figure: Figure
  readonly earlier: Figure | undefined
  readonly outlook?: Outlook | undefined
}

/** A metric in a period: how it is billed, its total, its days as bars and as a table, and where it comes from. */
export function MetricCard({ figure, earlier, outlook, ...shown }: MetricCardProps) {
  const { metric, kind, unit, peakDay } = figure
  const [explained, setExplained] = useState<Period>()
  const bars = barsOf(figure, earlier, shown)
  const id = `metric-${metric}`
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h2 id={id}>{titleOf(metric)}</h2>
        <code>{metric}</code>
        <span class="kind">{KIND_TITLES[kind]}</span>
      </header>
      <Total {...figure} />
      <p class="compared">
        {earlier === undefined || !isUsed(earlier) ? null : `${nameOfPeriod(shown.before)}: ${withUnit(earlier.total, unit)}`}
        {peakDay === undefined ? null : <span class="peak">Peak on {showDay(peakDay)}</span>}
      </p>
      {figure.byteDays === undefined ? null : <ByteDaysOfCard byteDays={figure.byteDays} />}
      {outlook === undefined ? null : <CardOutlook figure={figure} outlook={outlook} />}
      <Bars label={`${titleOf(metric)} per day`} unit={unit} bars={bars} onChoose={(day) => setExplained({ first: day, last: day })} />
      <details class="days">
        <summary>Days as a table</summary>
        <DayTable bars={bars} unit={unit} caption={`${titleOf(metric)} per day`} />
      </details>
      <p class="rule">{ruleOf(shown.of, figure)}</p>
      <footer>
        <button type="button" onClick={() => setExplained(shown.period)}>
          Explain
        </button>
        <CopyButtons {...shown} />
      </footer>
      {explained === undefined ? null : <Explanation {...shown} metric={metric} period={explained} onClose={() => setExplained(undefined)} />}
    </section>
  )
}

const KIND_TITLES: Readonly<Record<Figure['kind'], string>> = { peak: 'Peak', cumulative: 'Sum', count: 'Count', last: 'Last value', unique: 'Unique' }

/** Not inside a page of another site: its readers have no credential of this service. */
function CopyButtons(shown: ShownUsage) {
  if (window.parent !== window) return null
  return (
    <>
      <CopyButton text={curlOf(shown)}>Copy as curl</CopyButton>
      {/* The command line reads usage with the secret of a partner only. */}
      {shown.subject.asAdmin || session.value?.who === 'project' ? null : <CopyButton text={cliOf(shown)}>Copy as command</CopyButton>}
      <CopyButton text={pageLinkOf(shown)}>Copy the link</CopyButton>
    </>
  )
}

/** Short for the eye, with all digits below. */
function Total({ metric, unit, total }: Pick<Figure, 'metric' | 'unit' | 'total'>) {
  const [short, exact] = [withUnit(total, unit), exactWithUnit(total, unit)]
  if (short === exact)
    return (
      <p class="total" data-total={metric}>
        {exact}
      </p>
    )
  return (
    <>
      <p class="total">{short}</p>
      <p class="exact" data-total={metric}>
        {exact}
      </p>
    </>
  )
}

/** A whole month by its name, other periods by their days. */
function nameOfPeriod({ first, last }: Period): string {
  const month = first.slice(0, 7)
  return periodOfMonth(month).first === first && periodOfMonth(month).last === last ? showMonth(month) : `${showDay(first)} – ${showDay(last)}`
}

/** A bar for each day of the period. The day before it stands at the same place in the period before. */
function barsOf({ days, peakDay }: Figure, earlier: Figure | undefined, { period, before }: Pick<ShownUsage, 'period' | 'before'>): Bar[] {
  return daysOf(period).map((day) => {
    const place = addDays(before.first, daysBetween(period.first, day))
    const isInside = place <= before.last
    return {
      day,
      value: days.get(day),
      // A period that cannot be read is not one without usage.
      earlier: isInside && earlier !== undefined ? (earlier.days.get(place) ?? '0') : undefined,
      earlierDay: isInside ? place : undefined,
      isPeak: day === peakDay,
    }
  })
}

interface DayTableProps {
  readonly bars: readonly Bar[]
  readonly unit: string
  readonly caption: string
}

/** The same days as text. Days without an event add nothing and are left out. */
function DayTable({ bars, unit, caption }: DayTableProps) {
  const shown = bars.filter(({ value }) => value !== undefined && compareDecimals(value, '0') !== 0)
  return (
    <table>
      <caption class="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Day</th>
          <th scope="col" class="number">
            Value
          </th>
        </tr>
      </thead>
      <tbody>
        {shown.map(({ day, value = '', isPeak }) => (
          <tr key={day}>
            <th scope="row">
              {showDay(day)}
              {isPeak ? <span class="peak"> peak</span> : null}
            </th>
            <td class="number">{exactWithUnit(value, unit)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
