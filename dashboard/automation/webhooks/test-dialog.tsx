import type { Subject } from '../../address/subject.ts'
import { ActionFailure } from '../../parts/action-failure.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Notice } from '../../parts/notice.tsx'
import { useAction } from '../../parts/use-action.ts'
import { testWebhook, type Webhook } from './call-webhooks.ts'
import { outcomeOf } from './outcomes.ts'

interface TestDialogProps {
  readonly subject: Subject
  readonly webhook: Webhook
  readonly onTested: () => void
  readonly onClose: () => void
}

type Tested = Awaited<ReturnType<typeof testWebhook>>

/** Sends one test message and says how it went. */
export function TestDialog({ subject, webhook, onTested, onClose }: TestDialogProps) {
  const action = useAction<Tested>()
  const send = async () => {
    if ((await action.run(() => testWebhook(subject, webhook.id))) !== undefined) onTested()
  }
  return (
    <Dialog heading="Send a test message" onClose={onClose}>
      <p class="breakable">{webhook.url}</p>
      <p>
        A message of the type <code>webhook.test</code> is sent once, immediately, also to a disabled webhook.
      </p>
      <ActionFailure failure={action.failure} />
      <div role="status">{action.result === undefined ? null : <Outcome tested={action.result} />}</div>
      <div class="actions">
        <button type="button" class="main" disabled={action.isBusy} onClick={send}>
          {action.isBusy ? 'Waiting for the answer…' : action.result === undefined ? 'Send' : 'Send again'}
        </button>
      </div>
    </Dialog>
  )
}

function Outcome({ tested }: { tested: Tested }) {
  const isDelivered = tested.outcome === 'delivered'
  return (
    <Notice tone={isDelivered ? 'good' : 'bad'}>
      <strong>{outcomeOf(tested)}.</strong>
      <p>
        {isDelivered ? 'The endpoint accepted it. ' : 'Check the URL and the receiver, which must answer 2xx within 15 seconds. '}
        Message <code class="breakable">{tested.message_id}</code>
      </p>
    </Notice>
  )
}
