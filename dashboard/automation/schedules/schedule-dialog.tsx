import { useState } from 'preact/hooks'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { useAction } from '../../parts/use-action.ts'
import { Field, withoutField } from '../field.tsx'
import { CallFields } from './call-fields.tsx'
import { changeSchedule, createSchedule, type EditedSchedule } from './call-schedules.ts'
import { ExportFields } from './export-fields.tsx'
import { changeOf, scheduleOf } from './schedule-of-form.ts'

interface ScheduleDialogProps {
  /** The one to change; without it, a new one is created. */
  readonly edited?: EditedSchedule
  readonly onSaved: () => void
  readonly onClose: () => void
}

const TIMING_FIELDS = ['name', 'cronSchedule', 'timezone', 'headers']
const CALL_FIELDS = ['functionUrl', 'httpMethod', 'body']
const EXPORT_FIELDS = ['export.what', 'export.period', 'export.format', 'export.focus', 'export.partner', 'export.to.folder', 'export.to.url']

/** Creates or changes a schedule. What the service does not accept is shown beside the field. */
export function ScheduleDialog({ edited, onSaved, onClose }: ScheduleDialogProps) {
  const schedule = edited?.schedule
  const [kind, setKind] = useState<'call' | 'export'>((schedule?.export ?? null) === null ? 'call' : 'export')
  const action = useAction<true>()
  const { failure } = action
  const choose = (chosen: typeof kind) => {
    setKind(chosen)
    // It may be of a field that is not shown any more.
    action.reset()
  }
  const submit = async (fields: FormData) => {
    const isDone = await action.run(async () => {
      await (edited === undefined ? createSchedule(scheduleOf(fields)) : changeSchedule(edited.schedule.id, changeOf(fields, edited.bodyText)))
      return true
    })
    if (isDone === undefined) return false
    onSaved()
    return true
  }
  return (
    <FormDialog
      heading={schedule === undefined ? 'Create a schedule' : `Change ${schedule.name}`}
      verb={schedule === undefined ? 'Create' : 'Save'}
      isBusy={action.isBusy}
      failure={withoutField(failure, [...TIMING_FIELDS, ...(kind === 'call' ? CALL_FIELDS : EXPORT_FIELDS)])}
      onSubmit={submit}
      onClose={onClose}
    >
      <Field label="Name" name="name" failure={failure}>
        {(attributes) => <input {...attributes} required maxLength={128} defaultValue={schedule?.name ?? ''} autocomplete="off" />}
      </Field>
      <Field label="Cron" name="cronSchedule" failure={failure} hint={CRON_HINT}>
        {(attributes) => <input {...attributes} required maxLength={256} defaultValue={schedule?.cronSchedule ?? ''} autocomplete="off" spellcheck={false} />}
      </Field>
      <Field label="Zone" name="timezone" failure={failure} hint="Of the IANA database, such as UTC or Europe/Berlin.">
        {(attributes) => <input {...attributes} required maxLength={64} defaultValue={schedule?.timezone ?? 'UTC'} autocomplete="off" spellcheck={false} />}
      </Field>
      <fieldset class="choice">
        <legend>What it does</legend>
        <label>
          <input type="radio" name="kind" value="call" checked={kind === 'call'} onChange={() => choose('call')} /> Call a URL
        </label>
        <label>
          <input type="radio" name="kind" value="export" checked={kind === 'export'} onChange={() => choose('export')} /> Deliver an export
        </label>
      </fieldset>
      {kind === 'call' ? (
        <CallFields edited={edited} failure={failure} />
      ) : (
        <ExportFields action={schedule?.export ?? undefined} headers={schedule?.headers ?? {}} failure={failure} />
      )}
    </FormDialog>
  )
}

const CRON_HINT = (
  <>
    Minute, hour, day of the month, month, day of the week: <code>0 6 1 * *</code> is 06:00 on the first of each month. For runs within a minute:{' '}
    <code>30 seconds</code>.
  </>
)
