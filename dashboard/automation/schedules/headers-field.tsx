import type { CallFailed } from '../../calls/call.ts'
import { Field } from '../field.tsx'
import { headersAsText } from './headers-as-text.ts'

interface HeadersFieldProps {
  readonly headers: Readonly<Record<string, string>>
  readonly failure: CallFailed | undefined
}

/** In two parts, so that it is not read as a template of this file. */
const EXAMPLE = 'authorization: Bearer $' + '{{secrets.SYNC_TOKEN}}'

/** The headers of a call or an upload, one per line. */
export function HeadersField({ headers, failure }: HeadersFieldProps) {
  const hint = (
    <>
      One per line, such as <code>{EXAMPLE}</code>. The value of the secret is read at each run and is shown nowhere: write no credential here, create a secret
      for it.
    </>
  )
  return (
    <Field label="Headers (optional)" name="headers" failure={failure} hint={hint}>
      {(attributes) => <textarea {...attributes} rows={3} defaultValue={headersAsText(headers)} autocomplete="off" spellcheck={false} />}
    </Field>
  )
}
