import { useState } from 'preact/hooks'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { changeSchedule, deleteSchedule, type Schedule } from './call-schedules.ts'
import { EditDialog } from './edit-dialog.tsx'
import { RunNow } from './run-now.tsx'

interface ScheduleActionsProps {
  readonly schedule: Schedule
  readonly onChanged: () => void
  readonly onDeleted: () => void
}

/** What can be done with a schedule. Each change says first what will happen. */
export function ScheduleActions({ schedule, onChanged, onDeleted }: ScheduleActionsProps) {
  const [asked, setAsked] = useState<'edit' | 'pause' | 'delete'>()
  const close = () => setAsked(undefined)
  const { id, name, isActive } = schedule
  return (
    <div class="row-actions">
      <RunNow schedule={schedule} onChanged={onChanged} />
      <button type="button" aria-label={`Edit ${name}…`} onClick={() => setAsked('edit')}>
        Edit…
      </button>
      <button type="button" aria-label={`${isActive ? 'Pause' : 'Resume'} ${name}…`} onClick={() => setAsked('pause')}>
        {isActive ? 'Pause…' : 'Resume…'}
      </button>
      <button type="button" aria-label={`Delete ${name}…`} onClick={() => setAsked('delete')}>
        Delete…
      </button>
      {asked === 'edit' ? <EditDialog schedule={schedule} onSaved={onChanged} onClose={close} /> : null}
      {asked === 'pause' ? (
        <ConfirmDialog
          heading={`${isActive ? 'Pause' : 'Resume'} ${name}?`}
          verb={isActive ? 'Pause' : 'Resume'}
          act={() => changeSchedule(id, { isActive: !isActive })}
          onDone={onChanged}
          onClose={close}
        >
          <p>
            {isActive
              ? 'It does not run until it is resumed. What it misses meanwhile is not made up for.'
              : 'It runs at its next due time. What it missed while it was paused is not made up for.'}
          </p>
        </ConfirmDialog>
      ) : null}
      {asked === 'delete' ? (
        <ConfirmDialog heading={`Delete ${name}?`} verb="Delete" isDangerous act={() => deleteSchedule(id)} onDone={onDeleted} onClose={close}>
          <p>It never runs again, and its runs are not shown any more. To stop it for a while, pause it instead.</p>
        </ConfirmDialog>
      ) : null}
    </div>
  )
}
