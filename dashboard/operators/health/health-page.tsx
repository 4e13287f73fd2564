import { address } from '../../address/address.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { showTime } from '../../numbers/show-time.ts'
import { Choice } from '../../parts/choice.tsx'
import { Badge, Notice } from '../../parts/notice.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { ShownActivity } from './activity.tsx'
import { BackgroundWork } from './background-work.tsx'
import { DatabaseSize } from './database-size.tsx'
import { EventLogs, LogOffsets } from './event-logs.tsx'
import { findInAutomation } from './find-in-automation.ts'
import { findInLogs } from './find-in-logs.ts'
import { findInProcess } from './find-in-process.ts'
import { findInSource } from './find-in-source.ts'
import { byUrgency, type Finding } from './finding.ts'
import { type HealthReport, RANGE_TITLES, rangeOf, readReport, readSourceAndLogs, type Source } from './read-report.ts'

/** The state of the process that answers, in plain words first and in figures below. */
export function HealthPage() {
  const range = rangeOf(address.value.parameters)
  const report = useAnswer(`health ${range}`, (signal) => readReport(range, signal))
  const logs = useAnswer('source and logs', readSourceAndLogs)
  return (
    <>
      <PageHeading title="Health" {...refreshOf(report, logs)}>
        <Choice label="Range" parameter="range" value={range} options={RANGE_TITLES} />
      </PageHeading>
      <ShownAnswer answer={report} what="health report">
        {(shown) => (
          <>
            <ProcessBadges process={shown.process} />
            <Findings report={shown} source={logs.state === 'ready' ? logs.value.source : undefined} />
            <ShownActivity report={shown} />
            <EventLogs ingesting={shown.ingesting} />
            <ShownAnswer answer={logs} what="offsets of the logs">
              {(listed) => <LogOffsets {...listed} />}
            </ShownAnswer>
            <BackgroundWork background={shown.background} />
            <DatabaseSize database={shown.database} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}

function ProcessBadges({ process: { host, pid, part, started_at, version } }: Pick<HealthReport, 'process'>) {
  return (
    <div class="badges">
      <Badge title="The process that answered. Others of this service answer for themselves.">
        {host}, process {pid}
      </Badge>
      <Badge>{part === 'all' ? 'All parts in one process' : `Part ${part}`}</Badge>
      <Badge>Version {version}</Badge>
      <Badge>Since {showTime(started_at)}</Badge>
    </div>
  )
}

function Findings({ report, source }: { report: HealthReport; source: Source | undefined }) {
  const nowMs = Date.now()
  const findings = [...findInSource(source), ...findInLogs(report, nowMs), ...findInAutomation(report, nowMs), ...findInProcess(report, nowMs)].sort(byUrgency)
  const isUrgent = findings.some(({ tone }) => tone !== 'plain')
  return (
    <section aria-labelledby="findings">
      <h2 id="findings">Findings</h2>
      {report.readiness.ready ? (
        <Notice tone={isUrgent || source === undefined ? 'plain' : 'good'}>
          <strong>Ready: events are accepted and counted.</strong>
          <p>{adviceOf({ isUrgent, isComplete: source !== undefined })}</p>
        </Notice>
      ) : null}
      <ul class="findings">
        {findings.map((finding) => (
          <li key={finding.what}>
            <ShownFinding finding={finding} />
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Without the source of events, a finding about it may be missing. */
function adviceOf({ isUrgent, isComplete }: { isUrgent: boolean; isComplete: boolean }): string {
  if (isUrgent) return 'Check what follows.'
  return isComplete ? 'No action is needed.' : 'Nothing needs action so far. Where events come from has not been read yet.'
}

const TONE_WORDS = { bad: 'Urgent', warn: 'Warning', plain: 'For information' } as const

function ShownFinding({ finding: { tone, what, why, next, link } }: { finding: Finding }) {
  return (
    <Notice tone={tone}>
      <strong>
        {TONE_WORDS[tone]}: {what}
      </strong>
      <p>{why}</p>
      <p>
        {next} {link === undefined ? null : <a href={link.href}>{link.title}</a>}
      </p>
    </Notice>
  )
}
