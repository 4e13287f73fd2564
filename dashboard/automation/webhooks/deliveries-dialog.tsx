import { useState } from 'preact/hooks'
import { DELIVERY_STATUSES, type DeliveryStatus } from '../../../contract/webhook-events.ts'
import type { Subject } from '../../address/subject.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { counted } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import { ActionFailure } from '../../parts/action-failure.tsx'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Badge, type Tone } from '../../parts/notice.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { useAction } from '../../parts/use-action.ts'
import { readDeliveries, resendMessage, type Webhook } from './call-webhooks.ts'
import { outcomeOf } from './outcomes.ts'

interface DeliveriesDialogProps {
  readonly subject: Subject
  readonly webhook: Webhook
  readonly onClose: () => void
}

const TONES: Readonly<Record<string, Tone>> = { pending: 'warn', delivered: 'good', given_up: 'bad' }

/** The last messages of a webhook, how their delivery went, and sending one again. */
export function DeliveriesDialog({ subject, webhook, onClose }: DeliveriesDialogProps) {
  const [status, setStatus] = useState<DeliveryStatus>()
  return (
    <Dialog heading="Deliveries" onClose={onClose}>
      <p class="breakable">{webhook.url}</p>
      <p class="hint">The messages of the last 30 days. A receiver that handles each id once can get any of them again.</p>
      <label>
        State{' '}
        <select value={status ?? ''} onChange={(event) => setStatus(DELIVERY_STATUSES.find((each) => each === event.currentTarget.value))}>
          <option value="">all</option>
          {DELIVERY_STATUSES.map((each) => (
            <option key={each} value={each}>
              {each.replace('_', ' ')}
            </option>
          ))}
        </select>
      </label>
      <DeliveryPages key={status ?? 'all'} subject={subject} webhook={webhook} status={status} />
    </Dialog>
  )
}

interface DeliveryPagesProps extends Pick<DeliveriesDialogProps, 'subject' | 'webhook'> {
  readonly status: DeliveryStatus | undefined
}

function DeliveryPages({ subject, webhook, status: chosen }: DeliveryPagesProps) {
  const pages = useCursorPages()
  const { cursor } = pages
  const deliveries = useAnswer(`deliveries ${webhook.id} ${chosen ?? ''} ${cursor ?? ''}`, (signal) =>
    readDeliveries(subject, webhook.id, { status: chosen, cursor }, signal),
  )
  const action = useAction<true>()
  const [resent, setResent] = useState('')
  const resend = async (messageId: string) => {
    const isDone = await action.run(async () => {
      await resendMessage(subject, { webhookId: webhook.id, messageId })
      return true
    })
    if (isDone === undefined) return
    setResent(`The message ${messageId} is pending again, with the same id.`)
    deliveries.reload()
  }
  return (
    <>
      <ActionFailure failure={action.failure} />
      <p role="status">{resent}</p>
      <ShownAnswer answer={deliveries} what="deliveries">
        {({ deliveries: listed, next_cursor }) => (
          <>
            <Table
              caption="Messages, newest first"
              columns={['Message', 'Type', 'Created', 'State', 'Last attempt', 'Action']}
              empty={
                chosen === undefined
                  ? 'Nothing was sent to it yet. Send a test, or wait until something happens that it is notified of.'
                  : 'There is no such message.'
              }
              rows={listed.map(({ message_id, type, created_at, status, attempts, last_attempt }) => ({
                key: message_id,
                cells: [
                  <code class="breakable">{message_id}</code>,
                  type,
                  showTime(created_at),
                  <span>
                    <Badge tone={TONES[status] ?? 'plain'}>{status.replace('_', ' ')}</Badge> {counted(attempts, 'attempt')}
                  </span>,
                  last_attempt === null ? 'none yet' : `${outcomeOf(last_attempt)}, ${showTime(last_attempt.at)}`,
                  status === 'pending' ? (
                    'is being sent'
                  ) : subject.asAdmin && webhook.set_by !== null ? (
                    'for the partner'
                  ) : (
                    <button type="button" disabled={action.isBusy} aria-label={`Resend ${message_id}`} onClick={() => resend(message_id)}>
                      Resend
                    </button>
                  ),
                ],
              }))}
            />
            <PageButtons of="deliveries" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
      <div class="actions">
        <button type="button" onClick={deliveries.reload}>
          Refresh
        </button>
      </div>
    </>
  )
}
