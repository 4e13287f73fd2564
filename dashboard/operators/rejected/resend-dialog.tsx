import { useRef } from 'preact/hooks'
import { counted } from '../../numbers/show-quantity.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { DialogActions } from '../../parts/dialog-actions.tsx'
import { Badge, type Tone } from '../../parts/notice.tsx'
import { Table } from '../../parts/table.tsx'
import { useAction } from '../../parts/use-action.ts'
import { type RejectedEvent, type ResentEvent, resendEvents } from './read-rejected.ts'

interface ResendDialogProps {
  readonly events: readonly RejectedEvent[]
  readonly onResent: () => void
  readonly onClose: () => void
}

/** Asks, sends the events again, and says what became of each. The list behind is read again when it is closed. */
export function ResendDialog({ events, onResent, onClose }: ResendDialogProps) {
  // What was asked about stays shown, whatever is selected meanwhile.
  const asked = useRef(events).current
  const action = useAction<readonly ResentEvent[]>()
  const body = useRef<HTMLDivElement>(null)
  const close = () => {
    onClose()
    if (action.result !== undefined || action.failure !== undefined) onResent()
  }
  return (
    <Dialog heading={action.result === undefined ? `Resend ${counted(asked.length, 'event')}?` : 'What became of each event'} onClose={close}>
      <div ref={body}>
        {action.result === undefined ? (
          <>
            <p>
              {asked.length === 1 ? 'The event is' : `These ${asked.length} events are`} treated as received now. What is accepted is counted and billed; what
              was counted before is a duplicate and not counted again; what is rejected again is kept as rejected.
            </p>
            <p class="hint">The audit log records who has sent them again.</p>
            <DialogActions
              verb={`Resend ${counted(asked.length, 'event')}`}
              isBusy={action.isBusy}
              failure={action.failure}
              onAct={() => action.run(() => resendEvents(asked.map(({ id }) => id)))}
            />
          </>
        ) : (
          <Outcomes outcomes={action.result} events={asked} />
        )}
      </div>
    </Dialog>
  )
}

const OUTCOMES: Readonly<Record<ResentEvent['outcome'], { readonly tone: Tone; readonly title: string }>> = {
  accepted: { tone: 'good', title: 'accepted' },
  duplicate: { tone: 'plain', title: 'duplicate' },
  rejected: { tone: 'bad', title: 'rejected' },
  not_found: { tone: 'warn', title: 'not found' },
}

function Outcomes({ outcomes, events }: { outcomes: readonly ResentEvent[]; events: readonly RejectedEvent[] }) {
  const summary = Object.entries(OUTCOMES)
    .map(([name, { title }]) => ({ title, count: outcomes.filter(({ outcome }) => outcome === name).length }))
    .filter(({ count }) => count > 0)
    .map(({ title, count }) => `${count} ${title}`)
  return (
    <>
      <p role="status" tabIndex={-1} ref={(element) => element?.focus()}>
        {summary.join(', ')}.
      </p>
      <Table
        caption="Outcome of each event"
        columns={['Event', 'Outcome', 'Reason']}
        rows={outcomes.map(({ id, outcome, reason }) => ({
          key: id,
          cells: [
            <span>
              {events.find((event) => event.id === id)?.event_id} <code>{id}</code>
            </span>,
            <Badge tone={OUTCOMES[outcome].tone}>{OUTCOMES[outcome].title}</Badge>,
            reason === null ? '' : <code>{reason}</code>,
          ],
        }))}
      />
    </>
  )
}
