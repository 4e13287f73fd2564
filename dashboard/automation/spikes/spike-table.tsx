import { linkOfSubject, type Subject } from '../../address/subject.ts'
import { titleOf } from '../../numbers/metric-titles.ts'
import { allDigits, counted, exactWithUnit } from '../../numbers/show-quantity.ts'
import { showDay } from '../../numbers/show-time.ts'
import { Badge } from '../../parts/notice.tsx'
import { Table } from '../../parts/table.tsx'
import type { Spike } from './read-spikes.ts'

interface SpikeTableProps {
  readonly subject: Subject
  readonly spikes: readonly Spike[]
  readonly isFiltered: boolean
}

/** Each day beside the numbers by which it was judged. The project leads to its usage in the month of the day. */
export function SpikeTable({ subject: { asAdmin }, spikes, isFiltered }: SpikeTableProps) {
  const columns = ['Day', 'Project', 'Metric', 'Direction', number('Value'), number('Median'), 'Compared with']
  return (
    <Table
      caption="Spikes, newest day first"
      isCaptionHidden
      columns={columns}
      empty={isFiltered ? 'There is no such spike. Change the filter, or show all.' : 'There is no spike: each complete day was like its weekday.'}
      rows={spikes.map((spike) => ({
        key: spike.message_id,
        cells: [
          <span class="unbroken">{showDay(spike.day)}</span>,
          <span class="breakable">
            <a href={usageOf(spike, asAdmin)} title="Usage of the project in this month">
              {spike.project_id}
            </a>
            {asAdmin ? <small> of {spike.partner_id}</small> : null}
          </span>,
          <span>
            {titleOf(spike.metric)} <code class="unbroken">{spike.metric}</code>
          </span>,
          <Badge tone="warn">{spike.direction === 'up' ? '▲ up' : '▼ down'}</Badge>,
          exactWithUnit(spike.value, spike.unit),
          allDigits(spike.median),
          <JudgedBy spike={spike} />,
        ],
      }))}
    />
  )
}

function number(title: string) {
  return { title, isNumber: true } as const
}

function usageOf({ partner_id: partnerId, project_id, day }: Spike, asAdmin: boolean): string {
  return linkOfSubject({ partnerId, asAdmin }, ['projects', project_id], { month: day.slice(0, 7) })
}

function JudgedBy({ spike: { median_absolute_deviation, floor, unit, same_weekdays, project_id, day } }: { spike: Spike }) {
  const compared = counted(same_weekdays.length, 'weekday')
  return (
    <details>
      <summary class="unbroken" aria-label={`${compared} with which ${project_id} on ${showDay(day)} was compared`}>
        {compared}
      </summary>
      <ul class="level-list">
        <li>Median absolute deviation: {allDigits(median_absolute_deviation)}</li>
        <li>Smallest difference: {exactWithUnit(floor, unit)}</li>
        <li>Same weekdays: {same_weekdays.map(allDigits).join('; ')}</li>
      </ul>
    </details>
  )
}
