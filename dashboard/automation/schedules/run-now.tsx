import { useState } from 'preact/hooks'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { runSchedule, type Schedule } from './call-schedules.ts'

interface RunNowProps {
  readonly schedule: Schedule
  readonly onChanged: () => void
}

/** The button that runs a schedule outside its due times. It says first what will happen. */
export function RunNow({ schedule: { id, name, isActive }, onChanged }: RunNowProps) {
  const [isAsked, setAsked] = useState(false)
  return (
    <>
      <button type="button" aria-label={`Run now… ${name}`} onClick={() => setAsked(true)}>
        Run now…
      </button>
      {isAsked ? (
        <ConfirmDialog heading={`Run ${name} now?`} verb="Run now" act={() => runSchedule(id)} onDone={onChanged} onClose={() => setAsked(false)}>
          <p>It begins within seconds{isActive ? '' : ', although the schedule is paused'}. Refresh its runs to see the outcome.</p>
        </ConfirmDialog>
      ) : null}
    </>
  )
}
