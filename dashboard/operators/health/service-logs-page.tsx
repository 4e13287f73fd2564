import type { AnswerOf } from '../../../contract/operation.ts'
import type { LIST_SERVICE_LOGS, LogLevel, LogSource } from '../../../contract/service-logs.ts'
import { address } from '../../address/address.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { showTime } from '../../numbers/show-time.ts'
import { Choice, chosenOf } from '../../parts/choice.tsx'
import { Badge, type Tone } from '../../parts/notice.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { Pairs } from '../../parts/pairs.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { caller } from '../../session/session.ts'

type ServiceLogs = AsText<AnswerOf<typeof LIST_SERVICE_LOGS>>

const LINES = 100

const LEVEL_TITLES: Readonly<Record<LogLevel, string>> = {
  trace: 'All',
  debug: 'Debug and above',
  info: 'Information and above',
  warn: 'Warnings and errors',
  error: 'Errors',
  fatal: 'Fatal errors',
}
const SOURCE_TITLES: Readonly<Record<LogSource | 'all', string>> = {
  all: 'All',
  api: 'Requests',
  ingest: 'Counting events',
  aggregate: 'Totals and closings',
  automation: 'Schedules, thresholds and webhooks',
  audit: 'Audits and audit log',
  service: 'The process itself',
}
const TONES: Partial<Record<LogLevel, Tone>> = { warn: 'warn', error: 'bad', fatal: 'bad' }

/** The latest lines that the process keeps in memory. */
export function ServiceLogsPage() {
  const { parameters } = address.value
  const level = chosenOf(parameters['level'], Object.keys(LEVEL_TITLES) as LogLevel[], 'info')
  const source = chosenOf(parameters['source'], Object.keys(SOURCE_TITLES) as (LogSource | 'all')[], 'all')
  const logs = useAnswer(`service logs ${level} ${source}`, (signal) => readLines({ level, source }, signal))
  return (
    <>
      <PageHeading
        title="Service logs"
        lead={`The latest ${LINES} lines that fit, newest first. The whole log is in the output of the process.`}
        {...refreshOf(logs)}
      >
        <Choice label="Level" parameter="level" value={level} options={LEVEL_TITLES} />
        <Choice label="Part" parameter="source" value={source} options={SOURCE_TITLES} />
      </PageHeading>
      <ShownAnswer answer={logs} what="log lines">
        {({ process, logs: lines }) => (
          <>
            <div class="badges">
              <Badge title="Each process keeps its own lines.">
                {process.host}, process {process.pid}
              </Badge>
              <Badge>Since {showTime(process.started_at)}</Badge>
            </div>
            <div class="log-lines">
              <Table
                caption="Log lines, newest first"
                isCaptionHidden
                columns={['Time', 'Level', 'Part', 'Message', 'Fields']}
                empty={`No such line since ${showTime(process.started_at)}. Choose a lower level to see more.`}
                rows={lines.toReversed().map((line, index) => ({
                  key: `${line.time} ${lines.length - index}`,
                  cells: [
                    <time dateTime={line.time}>{showTime(line.time)}</time>,
                    <Badge tone={TONES[line.level] ?? 'plain'}>{line.level}</Badge>,
                    line.source,
                    line.message,
                    <Pairs fields={line.fields} />,
                  ],
                }))}
              />
            </div>
          </>
        )}
      </ShownAnswer>
    </>
  )
}

function readLines({ level, source }: { level: LogLevel; source: LogSource | 'all' }, signal: AbortSignal): Promise<ServiceLogs> {
  const query = { level, limit: LINES, ...(source === 'all' ? {} : { source }) }
  return call<typeof LIST_SERVICE_LOGS>(caller(signal), { method: 'GET', path: '/admin/v1/service-logs', query })
}
