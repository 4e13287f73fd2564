import type { CREATE_ADMIN_TOKEN } from '../../../contract/admin-tokens.ts'
import type { AdminRole } from '../../../contract/lists.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { showTime } from '../../numbers/show-time.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { DialogActions } from '../../parts/dialog-actions.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import { useAction } from '../../parts/use-action.ts'
import { caller } from '../../session/session.ts'

interface CreateAdminTokenDialogProps {
  readonly onCreated: () => void
  readonly onClose: () => void
}

const ROLE_TITLES: Readonly<Record<AdminRole, string>> = {
  operator: 'operator: everything except admin tokens',
  finance: 'finance: months, statements and exports of all partners',
  'emitter-manager': 'emitter-manager: ingest keys and rejected events',
}
const LIFETIMES = { '900': '15 minutes', '3600': '1 hour', '14400': '4 hours', '43200': '12 hours' } as const
const LIFETIME_AT_FIRST = '3600'

export function CreateAdminTokenDialog({ onCreated, onClose }: CreateAdminTokenDialogProps) {
  const action = useAction<AsText<AnswerOf<typeof CREATE_ADMIN_TOKEN>>>()
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    const body = { role: String(fields.get('role')) as AdminRole, expires_in: Number(fields.get('expires_in')) }
    const created = await action.run(() => call<typeof CREATE_ADMIN_TOKEN>(caller(), { method: 'POST', path: '/admin/v1/tokens', body }))
    if (created !== undefined) onCreated()
  }
  return (
    <Dialog heading={action.result === undefined ? 'Create an admin token' : 'The admin token was created'} onClose={onClose}>
      {action.result === undefined ? (
        <form onSubmit={submit}>
          <label>
            Role
            <select name="role">
              {Object.entries(ROLE_TITLES).map(([role, title]) => (
                <option key={role} value={role}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <label>
            Valid for
            <select name="expires_in">
              {Object.entries(LIFETIMES).map(([seconds, title]) => (
                <option key={seconds} value={seconds} selected={seconds === LIFETIME_AT_FIRST}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <DialogActions verb="Create" isBusy={action.isBusy} failure={action.failure} />
        </form>
      ) : (
        <>
          <ShownOnce what="admin token" value={action.result.token} />
          <p>
            Role {action.result.role}, valid until {showTime(action.result.expires_at)}. Its id in the audit log is <code>{action.result.id}</code>.
          </p>
        </>
      )}
    </Dialog>
  )
}
