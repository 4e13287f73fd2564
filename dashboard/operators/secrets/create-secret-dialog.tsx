import { addDays, dayOf } from '../../address/period.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { useAction } from '../../parts/use-action.ts'
import { createSecret } from './read-secrets.ts'

interface CreateSecretDialogProps {
  readonly onCreated: () => void
  readonly onClose: () => void
}

export function CreateSecretDialog({ onCreated, onClose }: CreateSecretDialogProps) {
  const action = useAction<true>()
  const submit = async (fields: FormData) => {
    const isDone = await action.run(async () => {
      await createSecret(secretOf(fields))
      return true
    })
    return isDone !== undefined
  }
  return (
    <FormDialog heading="Create a secret" verb="Create" isBusy={action.isBusy} failure={action.failure} onSubmit={submit} onDone={onCreated} onClose={onClose}>
      <label>
        Name
        <input
          name="key"
          required
          maxLength={128}
          pattern="[A-Z0-9_]+"
          title="Uppercase letters, digits and underscores, such as STRIPE_API_KEY"
          placeholder="STRIPE_API_KEY"
          autocomplete="off"
          spellcheck={false}
          aria-describedby="secret-name-hint"
        />
      </label>
      <p class="hint" id="secret-name-hint">
        Uppercase letters, digits and underscores.
      </p>
      <label>
        Value
        <textarea name="value" required rows={4} autocomplete="off" spellcheck={false} />
      </label>
      <label>
        Last day (optional; it expires at the end of that day in UTC)
        <input type="date" name="last_day" min={dayOf(Date.now())} />
      </label>
      <label class="check">
        <input type="checkbox" name="reserved" />
        <span>
          Reserved
          <small>It cannot be deactivated here or with DELETE.</small>
        </span>
      </label>
    </FormDialog>
  )
}

function secretOf(fields: FormData) {
  const lastDay = String(fields.get('last_day'))
  return {
    key: String(fields.get('key')),
    // A form writes line ends as CRLF; a key in PEM format has LF.
    value: String(fields.get('value')).replaceAll('\r\n', '\n'),
    isReserved: fields.has('reserved'),
    expiresAt: lastDay === '' ? undefined : `${addDays(lastDay, 1)}T00:00:00Z`,
  }
}
