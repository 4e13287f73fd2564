import { linkTo } from '../../address/address.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { readSchedule, type Schedule } from './call-schedules.ts'
import { ScheduleActions } from './schedule-actions.tsx'
import { ActiveBadge, actionOf, LastRun } from './schedule-facts.tsx'
import { ScheduleRuns, useRuns } from './schedule-runs.tsx'

/** A schedule: what it does, when, and how its runs went. */
export function SchedulePage({ id }: { id: string }) {
  const schedule = useAnswer(`schedule ${id}`, (signal) => readSchedule(id, signal))
  const runs = useRuns(id)
  const refresh = refreshOf(schedule, runs.answer)
  return (
    <>
      <p class="links">
        <a href={linkTo(['schedules'])}>All schedules</a>
      </p>
      <PageHeading title={schedule.state === 'ready' ? schedule.value.name : 'Schedule'} {...refresh} />
      <ShownAnswer answer={schedule} what="schedule">
        {(read) => (
          <>
            <Facts schedule={read} />
            <ScheduleActions schedule={read} onChanged={refresh.onRefresh} onDeleted={() => location.assign(linkTo(['schedules']))} />
            <ScheduleRuns {...runs} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}

function Facts({ schedule }: { schedule: Schedule }) {
  const { id, cronSchedule, timezone, isActive, nextRun, headers } = schedule
  const names = Object.keys(headers)
  return (
    <ul class="facts">
      <li>
        <ActiveBadge isActive={isActive} /> <code>{id}</code>
      </li>
      <li>
        Due at <code>{cronSchedule}</code>, zone {timezone}. Next run: {timeOr(nextRun, 'none while it is paused')}. Last run: <LastRun schedule={schedule} />
      </li>
      <li class="breakable">
        {actionOf(schedule)}
        {names.length === 0 ? '' : `, with the headers ${names.join(', ')}`}.
      </li>
    </ul>
  )
}
