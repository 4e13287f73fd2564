import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { useAction } from '../../parts/use-action.ts'
import { Field, withoutField } from '../field.tsx'
import { changeWebhook, type EventType, type Webhook } from './call-webhooks.ts'
import { EventChoice } from './event-choice.tsx'
import { EVENT_MEANINGS } from './event-meanings.ts'

interface ChangeWebhookDialogProps {
  readonly subject: Subject
  readonly webhook: Webhook
  readonly onChanged: () => void
  readonly onClose: () => void
}

/** Changes where a webhook leads and which messages it gets. Its secret stays. */
export function ChangeWebhookDialog({ subject, webhook, onChanged, onClose }: ChangeWebhookDialogProps) {
  const { run, failure, isBusy } = useAction<true>()
  const [chosen, setChosen] = useState<readonly EventType[]>((Object.keys(EVENT_MEANINGS) as EventType[]).filter((type) => webhook.events.includes(type)))
  const submit = async (fields: FormData) => {
    const isDone = await run(async () => {
      await changeWebhook(subject, webhook.id, { url: String(fields.get('url')), events: [...chosen] })
      return true
    })
    return isDone !== undefined
  }
  return (
    <FormDialog
      heading="Change the webhook"
      verb="Save"
      isBusy={isBusy}
      failure={withoutField(failure, ['url'])}
      onSubmit={submit}
      onDone={onChanged}
      onClose={onClose}
    >
      <Field label="URL" name="url" failure={failure} hint="What is pending is sent there. The secret stays the same.">
        {(attributes) => <input {...attributes} type="url" required maxLength={2048} autocomplete="off" defaultValue={webhook.url} />}
      </Field>
      <EventChoice subject={subject} chosen={chosen} onChange={setChosen} />
    </FormDialog>
  )
}
