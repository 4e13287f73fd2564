import { useState } from 'preact/hooks'
import { isRejectReason } from '../../../metering/rejection-reasons.ts'
import { address } from '../../address/address.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { counted } from '../../numbers/show-quantity.ts'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { type RejectedEvent, readRejected } from './read-rejected.ts'
import { Reasons } from './reasons.tsx'
import { RejectedTable } from './rejected-table.tsx'
import { ResendDialog } from './resend-dialog.tsx'

/** The rejected events, newest first: why, what was sent, and sending them again after a fix. */
export function RejectedPage() {
  const pages = useCursorPages()
  const list = useAnswer(`rejected ${pages.cursor ?? ''}`, (signal) => readRejected(pages.cursor, signal))
  return (
    <>
      <PageHeading
        title="Rejected events"
        lead="They are not counted and not billed. They are kept with the reason; after a fix they can be sent again."
        {...refreshOf(list)}
      />
      <ShownAnswer answer={list} what="rejected events">
        {({ rejected_events, next_cursor }) => (
          <>
            <ShownEvents key={pages.cursor ?? ''} events={rejected_events} isOnlyPage={pages.number === 1 && next_cursor === null} onResent={list.reload} />
            <PageButtons of="rejected events" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}

interface ShownEventsProps {
  readonly events: readonly RejectedEvent[]
  readonly isOnlyPage: boolean
  readonly onResent: () => void
}

function ShownEvents({ events, isOnlyPage, onResent }: ShownEventsProps) {
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const [isAsking, setAsking] = useState(false)
  const { reason } = address.value.parameters
  const chosen = reason !== undefined && isRejectReason(reason) ? reason : undefined
  const shown = events.filter((event) => chosen === undefined || event.reason === chosen)
  // What the filter hides must not be sent along unseen.
  const ids = shown.filter(({ id }) => selected.has(id)).map(({ id }) => id)
  if (events.length === 0 && isOnlyPage) return <p class="hint">No event was rejected. There is nothing to do.</p>
  return (
    <>
      <Reasons events={events} chosen={chosen} isOnlyPage={isOnlyPage} />
      <div class="actions">
        {/* Not disabled, so that it keeps the focus when the dialog closes and nothing is selected any more. */}
        <button type="button" class="main" aria-disabled={ids.length === 0} onClick={() => setAsking(ids.length > 0)}>
          Resend selected
        </button>
        <span role="status">{ids.length === 0 ? 'None selected' : `${counted(ids.length, 'event')} selected`}</span>
      </div>
      <RejectedTable events={shown} selected={selected} onSelect={setSelected} />
      {isAsking ? (
        <ResendDialog
          events={shown.filter(({ id }) => ids.includes(id))}
          onResent={() => {
            setSelected(new Set())
            onResent()
          }}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </>
  )
}
