import { address } from '../address/address.ts'
import { dayOf, daysBetween, type Period, periodBefore, periodOf } from '../address/period.ts'
import { PeriodPicker } from '../address/period-picker.tsx'
import type { Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { counted } from '../numbers/show-quantity.ts'
import { showDay, showTime } from '../numbers/show-time.ts'
import { Badge } from '../parts/notice.tsx'
import { refreshOf } from '../parts/page-heading.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { session } from '../session/session.ts'
import { BillingBadges } from '../usage/billing-badges.tsx'
import { figuresOfProject, type ProjectUsage } from '../usage/figures.ts'
import { MetricCards } from '../usage/metric-cards.tsx'
import { OutlookFailure } from '../usage/outlook-failure.tsx'
import { type ProjectOfSubject, readProjectUsage, undefinedIfNoSuchPeriod } from '../usage/read-usage.ts'
import { UsageByLabels } from '../usage/usage-by-labels.tsx'
import { useOutlook } from '../usage/use-outlook.ts'
import { type ListedProject, readProjects } from './read-projects.ts'
import { StatusBadge } from './status-badge.tsx'

/** A project: its state, its last activity, and the same cards as for the partner. */
export function ProjectPage({ subject, projectId }: { subject: Subject; projectId: string }) {
  const chosen = periodOf(address.value.parameters, Date.now())
  const before = periodBefore(chosen)
  const { period } = chosen
  const usage = useAnswer(`project ${projectId} ${period.first} ${period.last}`, (signal) => readBoth({ subject, projectId }, period, before, signal))
  const outlook = useOutlook({ subject, projectId }, chosen.choice)
  const { isRefreshing, onRefresh } = refreshOf(usage, outlook)
  return (
    <>
      <div class="heading">
        <h1>{usage.state === 'ready' ? usage.value.now.project.name : projectId}</h1>
        <PeriodPicker chosen={chosen} />
      </div>
      <ShownAnswer answer={usage} what="usage">
        {({ now, earlier }) => (
          <>
            <ProjectState subject={subject} projectId={projectId} period={period} project={now.project} />
            <BillingBadges {...now} period={period} onRefresh={onRefresh} isRefreshing={isRefreshing} />
            <OutlookFailure outlook={outlook} />
            <MetricCards
              of="project"
              subject={subject}
              projectId={projectId}
              period={period}
              before={before}
              figures={figuresOfProject(now)}
              earlier={earlier === undefined ? [] : figuresOfProject(earlier)}
              outlook={outlook.state === 'ready' ? outlook.value : undefined}
            />
            <UsageByLabels subject={subject} projectId={projectId} period={period} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}

async function readBoth(
  of: ProjectOfSubject,
  period: Period,
  before: Period,
  signal: AbortSignal,
): Promise<{ now: ProjectUsage; earlier: ProjectUsage | undefined }> {
  const [now, earlier] = await Promise.all([readProjectUsage(of, period, signal), readProjectUsage(of, before, signal).catch(undefinedIfNoSuchPeriod)])
  return { now, earlier }
}

interface ProjectStateProps {
  readonly subject: Subject
  readonly projectId: string
  readonly period: Period
  readonly project: ProjectUsage['project']
}

function ProjectState({ subject, projectId, period, project: { status, last_activity_at } }: ProjectStateProps) {
  // A code of a project may not read the list of projects.
  const mayList = session.value?.who !== 'project'
  const listed = useAnswer(`listed ${projectId}`, (signal) => (mayList ? findListed(subject, projectId, period, signal) : Promise.resolve(undefined)))
  const found = listed.state === 'ready' ? listed.value : undefined
  const silentDays = last_activity_at === null ? 0 : Math.max(0, daysBetween(dayOf(Date.parse(last_activity_at)), dayOf(Date.now())) - 1)
  return (
    <div class="badges">
      <code>{projectId}</code>
      <StatusBadge status={status} deletedAt={found?.deleted_at ?? null} />
      {found === undefined ? null : (
        <Badge>
          {found.region}, {found.instance_type}
        </Badge>
      )}
      <Badge>{last_activity_at === null ? 'No activity yet' : `Last activity ${showTime(last_activity_at)}`}</Badge>
      {silentDays === 0 || status === 'deleted' || last_activity_at === null ? null : (
        <Badge tone="warn" title="Complete UTC days without an event.">
          Silent since {showDay(last_activity_at)}, {counted(silentDays, 'complete day')}
        </Badge>
      )}
    </div>
  )
}

const SEARCH_ROWS = 100

/** The list finds a part of an id, so the exact one is picked out. */
async function findListed(subject: Subject, projectId: string, period: Period, signal: AbortSignal): Promise<ListedProject | undefined> {
  const { projects } = await readProjects(subject, { period, search: projectId.slice(0, 128), limit: SEARCH_ROWS }, signal)
  return projects.find(({ id }) => id === projectId)
}
