import { type Bar, Bars } from '../../charts/bars.tsx'
import { counted, exactWithUnit } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import { Table } from '../../parts/table.tsx'
import { sumOf } from './find-in-logs.ts'
import { type HealthReport, RANGE_TITLES } from './read-report.ts'

const SECONDS_PER_MINUTE = 60

/** The events of the range by interval, as bars and as a table. */
export function ShownActivity({ report: { activity, range } }: { report: HealthReport }) {
  const counts = activity.counted
  const bars = counts.map(
    ({ from, events }): Bar => ({ day: from, value: events === '0' ? undefined : events, earlier: undefined, earlierDay: undefined, isPeak: false }),
  )
  const minutes = Number(activity.interval_seconds) / SECONDS_PER_MINUTE
  const interval = minutes < 60 ? counted(minutes, 'minute') : counted(minutes / 60, 'hour')
  return (
    <section class="panel" aria-labelledby="activity">
      <h2 id="activity">Events counted, {RANGE_TITLES[range].toLowerCase()}</h2>
      <p class="exact" data-total="events">
        {exactWithUnit(sumOf(counts), 'event')}
      </p>
      {bars.length === 0 ? null : (
        <Bars
          label={`Events counted in each ${interval}`}
          unit="event"
          bars={bars}
          nameOf={showTime}
          hint={`Each bar is ${interval}. Look at one to see its count.`}
        />
      )}
      <details class="days">
        <summary>Intervals as a table</summary>
        <Table
          caption={`Events counted in each ${interval}`}
          isCaptionHidden
          columns={['From', { title: 'Events', isNumber: true }]}
          empty="No event was counted in this range."
          rows={counts
            .filter(({ events }) => events !== '0')
            .map(({ from, events }) => ({ key: from, cells: [showTime(from), exactWithUnit(events, 'event')] }))}
        />
      </details>
    </section>
  )
}
