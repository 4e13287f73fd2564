import { useState } from 'preact/hooks'
import { linkTo } from '../../address/address.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { readSchedules } from './call-schedules.ts'
import { RunNow } from './run-now.tsx'
import { ScheduleDialog } from './schedule-dialog.tsx'
import { ActiveBadge, actionOf, LastRun } from './schedule-facts.tsx'
import { SchedulePage } from './schedule-page.tsx'

/** All schedules, or the runs of one. `id`: the second part of the URL. */
export function SchedulesPage({ id }: { id: string | undefined }) {
  return id === undefined ? <AllSchedules /> : <SchedulePage key={id} id={id} />
}

function AllSchedules() {
  const schedules = useAnswer('schedules', readSchedules)
  const [isCreating, setCreating] = useState(false)
  return (
    <>
      <PageHeading
        title="Schedules"
        lead="Calls of a URL and deliveries of exports at set times, newest first. Open one to see its runs, to change or to pause it."
        {...refreshOf(schedules)}
      >
        <button type="button" class="main" onClick={() => setCreating(true)}>
          Create a schedule…
        </button>
      </PageHeading>
      <ShownAnswer answer={schedules} what="schedules">
        {({ schedules: listed }) => (
          <Table
            caption="Schedules, newest first"
            isCaptionHidden
            columns={['Name', 'Cron', 'What it does', 'State', 'Next run', 'Last run', 'Actions']}
            empty="There is no schedule yet. Create one to call a URL, or to deliver an export, at set times."
            rows={listed.map((schedule) => ({
              key: schedule.id,
              cells: [
                <a href={linkTo(['schedules', schedule.id])}>{schedule.name}</a>,
                <span>
                  <code>{schedule.cronSchedule}</code> {schedule.timezone}
                </span>,
                <span class="breakable">{actionOf(schedule)}</span>,
                <ActiveBadge isActive={schedule.isActive} />,
                timeOr(schedule.nextRun, 'none while it is paused'),
                <LastRun schedule={schedule} />,
                <span class="row-actions">
                  <RunNow schedule={schedule} onChanged={schedules.reload} />
                </span>,
              ],
            }))}
          />
        )}
      </ShownAnswer>
      {isCreating ? <ScheduleDialog onSaved={schedules.reload} onClose={() => setCreating(false)} /> : null}
    </>
  )
}
