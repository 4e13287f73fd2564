import type { AnswerOf } from '../../../contract/operation.ts'
import type { ADD_PARTNER_SECRET } from '../../../contract/partner-secrets.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { showTime } from '../../numbers/show-time.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { DialogActions } from '../../parts/dialog-actions.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import { useAction } from '../../parts/use-action.ts'
import { caller } from '../../session/session.ts'

interface AddPartnerSecretDialogProps {
  readonly partnerId: string
  readonly name: string
  readonly onAdded: () => void
  readonly onClose: () => void
}

const OVERLAPS = { '0': 'none: the one before stops now', '3600': '1 hour', '86400': '1 day', '604800': '7 days', '2592000': '30 days' } as const

export function AddPartnerSecretDialog({ partnerId, name, onAdded, onClose }: AddPartnerSecretDialogProps) {
  const action = useAction<AsText<AnswerOf<typeof ADD_PARTNER_SECRET>>>()
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const overlap = Number(new FormData(event.currentTarget as HTMLFormElement).get('overlap'))
    const request = { params: { partnerId }, body: { overlap_seconds: overlap } }
    const added = await action.run(() =>
      call<typeof ADD_PARTNER_SECRET>(caller(), { method: 'POST', path: '/admin/v1/partners/:partnerId/secrets', ...request }),
    )
    if (added !== undefined) onAdded()
  }
  return (
    <Dialog heading={action.result === undefined ? `Add a secret to ${name}` : `The secret of ${name} was added`} onClose={onClose}>
      {action.result === undefined ? (
        <form onSubmit={submit}>
          <p>
            The new secret works immediately. The one before keeps working for the overlap, so that the partner can exchange it without a moment in which none
            works.
          </p>
          <label>
            Overlap
            <select name="overlap">
              {Object.entries(OVERLAPS).map(([seconds, title]) => (
                <option key={seconds} value={seconds} selected={seconds === '86400'}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <DialogActions verb="Add" isBusy={action.isBusy} failure={action.failure} />
        </form>
      ) : (
        <>
          <ShownOnce what="secret" value={action.result.secret} />
          <ul class="facts">
            {action.result.replaced.map(({ id, expires_at }) => (
              <li key={id}>
                The secret before it (<code>{id}</code>) expires {showTime(expires_at)}.
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  )
}
