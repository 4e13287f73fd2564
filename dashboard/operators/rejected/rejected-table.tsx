import { useState } from 'preact/hooks'
import { showTime } from '../../numbers/show-time.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { Table } from '../../parts/table.tsx'
import { OriginalDialog } from './original-dialog.tsx'
import type { RejectedEvent } from './read-rejected.ts'

interface RejectedTableProps {
  readonly events: readonly RejectedEvent[]
  readonly selected: ReadonlySet<string>
  readonly onSelect: (selected: ReadonlySet<string>) => void
}

/** The events of a page. Those that are not kept whole cannot be sent again. */
export function RejectedTable({ events, selected, onSelect }: RejectedTableProps) {
  const [looked, setLooked] = useState<RejectedEvent>()
  const resendable = events.filter(({ original }) => original !== '').map(({ id }) => id)
  const isAllSelected = resendable.length > 0 && resendable.every((id) => selected.has(id))
  const select = (ids: readonly string[], isOn: boolean) => onSelect(new Set(isOn ? [...selected, ...ids] : [...selected].filter((id) => !ids.includes(id))))
  return (
    <>
      <label class="select-all">
        <input
          type="checkbox"
          checked={isAllSelected}
          disabled={resendable.length === 0}
          onChange={(event) => select(resendable, event.currentTarget.checked)}
        />
        Select all that are shown
      </label>
      <Table
        caption="Rejected events, newest first"
        isCaptionHidden
        columns={['Event', 'Reason', 'Project', 'Received', 'Sent again', 'Original']}
        empty="No event of this page has this reason. Choose another reason or page."
        rows={events.map((event) => ({
          key: event.id,
          cells: [
            <EventCheckbox event={event} isSelected={selected.has(event.id)} onSelect={(isOn) => select([event.id], isOn)} />,
            <div>
              <code>{event.reason}</code> <span class="message">{event.message}</span>
            </div>,
            event.project_id === '' ? 'unknown' : event.project_id,
            showTime(event.received_at),
            timeOr(event.resent_at, 'no'),
            <button type="button" class="quiet" aria-label={`Show the original of ${nameOf(event)}`} onClick={() => setLooked(event)}>
              Show
            </button>,
          ],
        }))}
      />
      {looked === undefined ? null : <OriginalDialog event={looked} onClose={() => setLooked(undefined)} />}
    </>
  )
}

interface EventCheckboxProps {
  readonly event: RejectedEvent
  readonly isSelected: boolean
  readonly onSelect: (isOn: boolean) => void
}

function EventCheckbox({ event, isSelected, onSelect }: EventCheckboxProps) {
  const isKept = event.original !== ''
  return (
    <label class="selectable" title={isKept ? undefined : 'The event is not kept whole, so it cannot be sent again.'}>
      <input
        type="checkbox"
        aria-label={`Select ${nameOf(event)}`}
        checked={isSelected}
        disabled={!isKept}
        onChange={(change) => onSelect(change.currentTarget.checked)}
      />
      <span>
        {event.event_id === '' ? 'without an id' : event.event_id}
        <code>{event.id}</code>
      </span>
    </label>
  )
}

/** For people who hear the page: its own id, or its place in the log. */
function nameOf({ event_id, id }: Pick<RejectedEvent, 'event_id' | 'id'>): string {
  return event_id === '' ? `event ${id}` : `event ${event_id}`
}
