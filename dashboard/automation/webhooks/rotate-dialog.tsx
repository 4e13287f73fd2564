import type { Subject } from '../../address/subject.ts'
import { showTime } from '../../numbers/show-time.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import { useAction } from '../../parts/use-action.ts'
import { rotateSecret, type Webhook } from './call-webhooks.ts'

interface RotateDialogProps {
  readonly subject: Subject
  readonly webhook: Webhook
  readonly onClose: () => void
}

type Rotated = Awaited<ReturnType<typeof rotateSecret>>

const OVERLAPS = [
  { seconds: 86_400, title: 'for a day' },
  { seconds: 604_800, title: 'for a week' },
  { seconds: 3_600, title: 'for an hour' },
  { seconds: 0, title: 'not at all, because it has leaked' },
]

/** Replaces the secret of a webhook, then shows the new one, once. */
export function RotateDialog({ subject, webhook, onClose }: RotateDialogProps) {
  const action = useAction<Rotated>()
  const submit = async (fields: FormData) => {
    await action.run(() => rotateSecret(subject, webhook.id, Number(fields.get('overlap'))))
    return false
  }
  if (action.result !== undefined)
    return (
      <Dialog heading="The secret is replaced" onClose={onClose}>
        <ShownOnce what="signing secret" value={action.result.secret} />
        <p class="hint">The previous one signs until {showTime(action.result.previous_expires_at)}.</p>
      </Dialog>
    )
  return (
    <FormDialog heading="Replace the signing secret?" verb="Replace" isBusy={action.isBusy} failure={action.failure} onSubmit={submit} onClose={onClose}>
      <p class="breakable">{webhook.url}</p>
      <p>A new secret is shown once. Until the previous one ends, messages carry the signatures of both, so that the receiver can change over.</p>
      <label>
        The previous secret keeps signing
        <select name="overlap">
          {OVERLAPS.map(({ seconds, title }) => (
            <option key={seconds} value={seconds}>
              {title}
            </option>
          ))}
        </select>
      </label>
    </FormDialog>
  )
}
