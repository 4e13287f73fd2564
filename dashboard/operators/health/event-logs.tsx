import { allDigits, counted } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { Badge, Notice } from '../../parts/notice.tsx'
import { Table } from '../../parts/table.tsx'
import type { HealthReport, ListedLogs, SourceAndLogs } from './read-report.ts'

/** The logs as this process has them: up to when each is counted, what waits, and what stops it. */
export function EventLogs({ ingesting: { logs, queued_events } }: Pick<HealthReport, 'ingesting'>) {
  return (
    <section aria-labelledby="event-logs">
      <h2 id="event-logs">Event logs</h2>
      <Table
        caption="Event logs of this process"
        columns={[
          'Log',
          'State',
          'Complete as of',
          { title: 'Events waiting', isNumber: true },
          { title: 'Batch in flight', isNumber: true },
          'Identity filter',
        ]}
        empty="This process counts no log. Another one of this service does, and answers for itself."
        rows={logs.map((log) => ({
          key: log.log,
          cells: [
            <code>{log.log}</code>,
            <StateOfLog log={log} />,
            showTime(log.as_of),
            allDigits(log.lag_events),
            seconds(log.batch_in_flight_seconds),
            log.filter_full ? 'full' : log.filter_complete ? 'complete' : 'loading',
          ],
        }))}
      />
      <p class="hint">{queued_events === '0' ? 'No event waits in memory.' : `${counted(queued_events, 'event')} waiting in memory.`}</p>
    </section>
  )
}

function StateOfLog({ log: { owned, incident } }: { log: HealthReport['ingesting']['logs'][number] }) {
  if (incident !== null) return <Badge tone="bad">stopped: {incident}</Badge>
  return owned ? <Badge tone="good">counted here</Badge> : <Badge title="Another process has the log now.">counted elsewhere</Badge>
}

function seconds(text: string): string {
  const value = Number(text)
  return value === 0 ? 'none' : `${value < 10 ? value.toFixed(1) : Math.round(value)} s`
}

/** The logs of the topic with their offsets, whichever process has them. */
export function LogOffsets({ source, logs }: SourceAndLogs) {
  if (logs === undefined)
    return (
      <Notice>
        <strong>No offsets to show: this service runs without Kafka.</strong>
        <p>Its only log is http. What arrives there is counted before it is acknowledged, so nothing has to be read again. The table above shows its state.</p>
      </Notice>
    )
  return (
    <>
      <p class="hint">
        Events come from {source.source ?? source.configured}
        {source.since === null ? '' : `, in force since ${showTime(source.since)}`}.
      </p>
      <Table
        caption="Offsets of the logs"
        columns={[
          'Log',
          { title: 'First', isNumber: true },
          { title: 'Next', isNumber: true },
          { title: 'Counted through', isNumber: true },
          { title: 'Lag', isNumber: true },
          'Watermark',
          'Owner',
        ]}
        empty="The topic has no partition yet."
        rows={logs.map(({ log, begin, end, settled_through, as_of, owner, released }) => ({
          key: log,
          cells: [
            <code>{log}</code>,
            allDigits(begin),
            allDigits(end),
            settled_through === '-1' ? 'none yet' : allDigits(settled_through),
            allDigits(lagOf({ begin, end, settled_through })),
            timeOr(as_of, 'none yet'),
            released || owner === '' ? 'none now' : owner,
          ],
        }))}
      />
    </>
  )
}

/** Offsets that exist and are not counted yet. */
function lagOf({ begin, end, settled_through }: Pick<ListedLogs[number], 'begin' | 'end' | 'settled_through'>): string {
  const next = BigInt(settled_through) + 1n
  const from = next > BigInt(begin) ? next : BigInt(begin)
  return (BigInt(end) > from ? BigInt(end) - from : 0n).toString()
}
