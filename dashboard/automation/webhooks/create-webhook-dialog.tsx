import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import { useAction } from '../../parts/use-action.ts'
import { Field, withoutField } from '../field.tsx'
import { createWebhook, type EventType } from './call-webhooks.ts'
import { EventChoice } from './event-choice.tsx'

interface CreateWebhookDialogProps {
  readonly subject: Subject
  readonly onCreated: () => void
  readonly onClose: () => void
}

/** Adds a webhook, then shows its secret, once. */
export function CreateWebhookDialog({ subject, onCreated, onClose }: CreateWebhookDialogProps) {
  const action = useAction<string>()
  const { failure } = action
  const [chosen, setChosen] = useState<readonly EventType[]>(['usage.threshold_reached', 'usage.threshold_resolved'])
  const submit = async (fields: FormData) => {
    const partner = String(fields.get('partner_id') ?? '').trim()
    const secret = await action.run(async () => {
      const created = await createWebhook(subject, {
        url: String(fields.get('url')),
        events: [...chosen],
        ...(partner === '' ? {} : { partner_id: partner }),
      })
      return created.secret
    })
    if (secret !== undefined) onCreated()
    return false
  }
  if (action.result !== undefined)
    return (
      <Dialog heading="The webhook is added" onClose={onClose}>
        <ShownOnce what="signing secret" value={action.result} />
        <p class="hint">Verify each message with it, then send a test from the list.</p>
      </Dialog>
    )
  return (
    <FormDialog
      heading="Add a webhook"
      verb="Add"
      isBusy={action.isBusy}
      failure={withoutField(failure, ['url', 'partner_id'])}
      onSubmit={submit}
      onClose={onClose}
    >
      <Field label="URL" name="url" failure={failure} hint="It must lead to a public address, or to one that OUTGOING_ALLOW names.">
        {(attributes) => <input {...attributes} type="url" required maxLength={2048} autocomplete="off" />}
      </Field>
      {subject.asAdmin ? (
        <Field label="Partner id (optional)" name="partner_id" failure={failure} hint="Only messages about this partner. Without it, about all of them.">
          {(attributes) => <input {...attributes} maxLength={128} autocomplete="off" spellcheck={false} />}
        </Field>
      ) : null}
      <EventChoice subject={subject} chosen={chosen} onChange={setChosen} />
    </FormDialog>
  )
}
