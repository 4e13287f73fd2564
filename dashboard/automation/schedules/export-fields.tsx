import { useState } from 'preact/hooks'
import { FOCUS_VERSIONS, hasByteDays } from '../../../contract/export-formats.ts'
import type { CallFailed } from '../../calls/call.ts'
import { Field } from '../field.tsx'
import { Options } from '../options.tsx'
import type { Schedule } from './call-schedules.ts'
import { EXPORTED, type ExportedWhat, formatsOf, periodsOf } from './export-choices.ts'
import { HeadersField } from './headers-field.tsx'

interface ExportFieldsProps {
  readonly action: NonNullable<Schedule['export']> | undefined
  /** They are sent with each object, and not used for a folder. */
  readonly headers: Readonly<Record<string, string>>
  readonly failure: CallFailed | undefined
}

/** No version is named: the service writes its newest. */
export const NEWEST_FOCUS = 'newest'

/** What the files have of peaks. */
const PEAK = 'their peak'
export const BYTE_DAYS = 'byte-days'

/** What is delivered, and where to. The choices are those that the service accepts together. */
export function ExportFields({ action, headers, failure }: ExportFieldsProps) {
  const [what, setWhat] = useState<ExportedWhat>(action?.what ?? 'statements')
  const [target, setTarget] = useState<'folder' | 'url'>(action !== undefined && 'url' in action.to ? 'url' : 'folder')
  return (
    <>
      <Field label="What" name="export.what" failure={failure}>
        {(attributes) => (
          <select {...attributes} onChange={(event) => setWhat(event.currentTarget.value as ExportedWhat)}>
            <Options values={EXPORTED} chosen={action?.what} />
          </select>
        )}
      </Field>
      <Field label="Period" name="export.period" failure={failure} hint="In UTC, seen from the due time.">
        {(attributes) => (
          <select {...attributes}>
            <Options values={periodsOf(what)} chosen={action?.period} />
          </select>
        )}
      </Field>
      <Field label="Format" name="export.format" failure={failure}>
        {(attributes) => (
          <select {...attributes}>
            <Options values={formatsOf(what)} chosen={action?.format} />
          </select>
        )}
      </Field>
      {what === 'focus' ? (
        <Field label="Version of FOCUS" name="export.focus" failure={failure}>
          {(attributes) => (
            <select {...attributes}>
              <Options values={[NEWEST_FOCUS, ...FOCUS_VERSIONS]} chosen={action?.focus} />
            </select>
          )}
        </Field>
      ) : null}
      <Field label="Peaks" name="export.peaks" failure={failure} hint="Byte-days are the sum of the days of a peak, such as of stored bytes.">
        {(attributes) => (
          <select {...attributes}>
            <Options values={[PEAK, BYTE_DAYS]} chosen={action !== undefined && hasByteDays(action) ? BYTE_DAYS : PEAK} />
          </select>
        )}
      </Field>
      <Field label="Partner id (optional)" name="export.partner" failure={failure} hint="Without it, all partners are delivered.">
        {(attributes) => <input {...attributes} maxLength={256} defaultValue={action?.partner ?? ''} autocomplete="off" spellcheck={false} />}
      </Field>
      <fieldset class="choice">
        <legend>Where to</legend>
        <label>
          <input type="radio" name="target" value="folder" checked={target === 'folder'} onChange={() => setTarget('folder')} /> A folder below EXPORT_DIR
        </label>
        <label>
          <input type="radio" name="target" value="url" checked={target === 'url'} onChange={() => setTarget('url')} /> An https URL, with PUT
        </label>
      </fieldset>
      {target === 'folder' ? (
        <Field label="Folder" name="export.to.folder" failure={failure} hint="Relative to EXPORT_DIR, such as finance.">
          {(attributes) => <input {...attributes} required maxLength={512} defaultValue={folderOf(action)} autocomplete="off" spellcheck={false} />}
        </Field>
      ) : (
        <>
          <Field
            label="URL of the objects"
            name="export.to.url"
            failure={failure}
            hint="{name} stands for the name of the object, which is otherwise appended."
          >
            {(attributes) => <input {...attributes} required maxLength={2048} defaultValue={urlOf(action)} autocomplete="off" />}
          </Field>
          <HeadersField headers={headers} failure={failure} />
        </>
      )}
    </>
  )
}

function folderOf(action: ExportFieldsProps['action']): string {
  return action !== undefined && 'folder' in action.to ? action.to.folder : ''
}

function urlOf(action: ExportFieldsProps['action']): string {
  return action !== undefined && 'url' in action.to ? action.to.url : ''
}
