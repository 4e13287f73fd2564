import type { CallFailed } from '../../calls/call.ts'
import { Field } from '../field.tsx'
import { Options } from '../options.tsx'
import type { EditedSchedule } from './call-schedules.ts'
import { HeadersField } from './headers-field.tsx'

interface CallFieldsProps {
  readonly edited: EditedSchedule | undefined
  readonly failure: CallFailed | undefined
}

const METHODS = ['POST', 'GET', 'PUT', 'PATCH', 'DELETE']

/** What is called, and with what. */
export function CallFields({ edited, failure }: CallFieldsProps) {
  return (
    <>
      <Field label="Method" name="httpMethod" failure={failure}>
        {(attributes) => (
          <select {...attributes}>
            <Options values={METHODS} chosen={edited?.schedule.httpMethod} />
          </select>
        )}
      </Field>
      <Field label="URL" name="functionUrl" failure={failure} hint="A public address, or one in a network of OUTGOING_ALLOW.">
        {(attributes) => <input {...attributes} type="url" required maxLength={2048} defaultValue={edited?.schedule.functionUrl ?? ''} autocomplete="off" />}
      </Field>
      <Field label="Body (optional)" name="body" failure={failure} hint="A JSON object. It is not sent with GET.">
        {(attributes) => <textarea {...attributes} rows={3} defaultValue={edited?.bodyText ?? ''} autocomplete="off" spellcheck={false} />}
      </Field>
      <HeadersField headers={edited?.schedule.headers ?? {}} failure={failure} />
    </>
  )
}
