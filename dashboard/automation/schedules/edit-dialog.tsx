import { useAnswer } from '../../calls/use-answer.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { readEditedSchedule, type Schedule } from './call-schedules.ts'
import { ScheduleDialog } from './schedule-dialog.tsx'

interface EditDialogProps {
  readonly schedule: Schedule
  readonly onSaved: () => void
  readonly onClose: () => void
}

/** Reads the schedule as it is now, then changes it. */
export function EditDialog({ schedule: { id, name }, onSaved, onClose }: EditDialogProps) {
  const read = useAnswer(`edited ${id}`, (signal) => readEditedSchedule(id, signal))
  if (read.state === 'ready') return <ScheduleDialog edited={read.value} onSaved={onSaved} onClose={onClose} />
  return (
    <Dialog heading={`Change ${name}`} onClose={onClose}>
      <ShownAnswer answer={read} what="schedule">
        {() => null}
      </ShownAnswer>
    </Dialog>
  )
}
