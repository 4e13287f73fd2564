import { MONTHS_KNOWN_AFTER_MINUTES, REPORT_DAYS_BACK } from '../../contract/health-report.ts'
import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import type { Paint, Style } from '../colours.ts'
import { flexible, plainTable } from '../plain-table.ts'
import { sparkline } from '../usage/sparkline.ts'
import type { Finding, Severity } from './finding.ts'
import type { State } from './read-state.ts'

const STYLES: Readonly<Record<Severity, Style>> = { critical: 'red', warning: 'yellow', info: 'cyan' }

/** Each finding with its cause and the next step. */
export function findingLines(findings: readonly Finding[], paint: Paint): string[] {
  return findings.flatMap(({ severity, category, what, cause, next }) => [
    `${paint(STYLES[severity], severity.toUpperCase())} ${category}: ${what}`,
    `  cause: ${cause}`,
    `  next:  ${next}`,
  ])
}

/** One line for each part, so that what is well can be seen too. */
export function overviewLines(state: State): string[] {
  const { report, source, signingKeys = [] } = state
  const { process, readiness, ingesting, background, database, activity, range } = report
  const rows: [string, string][] = [
    ['process', `${process.pid} on ${process.host}, part ${process.part}, Meterline ${process.version}, since ${process.started_at}`],
    [
      'events',
      `${readiness.ready ? 'accepted' : 'not accepted'}; ${grouped(sum(activity.counted))} counted (of the last ${REPORT_DAYS_BACK} days) and ${grouped(sum(activity.rejected))} rejected in the last ${range}`,
    ],
    [
      'source',
      source?.source == null
        ? 'none counted yet'
        : `${source.source}; ${source.logs.map(({ log, as_of }) => `${log} up to ${as_of ?? 'no time yet'}`).join(', ')}`,
    ],
    ['queue', `${counted(ingesting.queued_events, 'event')} ${ingesting.queued_events === 1 ? 'waits' : 'wait'} to be stored`],
    [
      'audits',
      background?.audits == null
        ? unknownAudits(report)
        : `${counted(background.audits.differences, 'difference')}, complete at ${background.audits.complete_at ?? 'no time yet'}`,
    ],
    ['months', background?.months == null ? unknownMonths(state) : `${counted(background.months.overdue, 'partner')} with a due month`],
    [
      'database',
      `${database.engine}, ${database.disks.map(({ name, free_bytes, total_bytes }) => `disk ${name} ${percent(free_bytes / total_bytes)} free`).join(', ')}`,
    ],
    ['signing key', signingKeys.find(({ state }) => state === 'signing')?.signs_from ?? 'none signs'],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`)
}

/** Only processes that aggregate know it, so in another one "not yet" would be wrong. */
function unknownAudits({ background, process }: State['report']): string {
  return background === null ? notHere(process.part) : 'not known yet: the first audit of this process has not ended'
}

function unknownMonths({ nowMs, report: { background, process } }: State): string {
  if (background === null) return notHere(process.part)
  const firstMs = Date.parse(process.started_at) + MONTHS_KNOWN_AFTER_MINUTES * 60_000
  if (nowMs < firstMs)
    return `not known yet: due months are closed from ${new Date(firstMs).toISOString()} on, ${MONTHS_KNOWN_AFTER_MINUTES} minutes after the start`
  const failures = background.work.find(({ name }) => name === 'closings')?.failures ?? 0
  return failures > 0
    ? `not known: the job closings failed ${counted(failures, 'time')} ("meterline logs aggregate")`
    : 'not known yet: the first run has not ended'
}

function notHere(part: string): string {
  return `not known here: this process is of the part ${part}. Ask /readyz or the metrics of a process of "meterline aggregate"`
}

/** Events by interval and by reason of rejection, and the state of each log. */
export function metricsLines({ report: { activity, range, ingesting } }: Pick<State, 'report'>): string[] {
  const counts = activity.counted.map(({ events }) => events)
  return [
    `Events counted in the last ${range} (of the last ${REPORT_DAYS_BACK} days): ${grouped(sum(activity.counted))}${counts.some((count) => count > 0) ? `  ${sparkline(counts)}` : ''}`,
    plainTable(
      ['from', 'events'],
      activity.counted.map(({ from, events }) => [from, grouped(events)]),
      [1],
    ),
    `Rejected: ${grouped(sum(activity.rejected))}`,
    ...(activity.rejected.length === 0
      ? []
      : [
          plainTable(
            ['reason', 'events'],
            activity.rejected.map(({ reason, events }) => [reason, grouped(events)]),
            [1],
          ),
        ]),
    plainTable(
      ['log', 'complete up to', 'lag', 'batch in flight (s)', 'incident'],
      ingesting.logs.map((log) => [log.log, log.as_of, grouped(log.lag_events), grouped(log.batch_in_flight_seconds), log.incident ?? 'none']),
      [2, 3],
    ),
  ]
}

export function databaseLines({ report: { database } }: Pick<State, 'report'>): string[] {
  return [
    `ClickHouse, ${database.engine}`,
    plainTable(
      ['disk', 'free', 'size', 'free bytes'],
      database.disks.map(({ name, free_bytes, total_bytes }) => [name, percent(free_bytes / total_bytes), grouped(total_bytes), grouped(free_bytes)]),
      [1, 2, 3],
    ),
    plainTable(
      ['table', 'rows', 'bytes', 'parts'],
      database.tables.map(({ name, rows, bytes, parts }) => [name, grouped(rows), grouped(bytes), grouped(parts)]),
      [1, 2, 3],
    ),
  ]
}

/** The logged errors of one message together: how many, and the last one. */
export function errorLines(errors: NonNullable<State['errors']>): string[] {
  if (errors.length === 0) return ['The process logged no error since its start, or none that it still keeps.']
  const groups = new Map<string, NonNullable<State['errors']>>()
  for (const line of errors) groups.set(`${line.source}: ${line.message}`, [...(groups.get(`${line.source}: ${line.message}`) ?? []), line])
  const rows = [...groups].map(([message, lines]) => [lines.length, lines.at(-1)?.time ?? '', String(lines.at(-1)?.fields['error'] ?? ''), message])
  return [plainTable(['times', 'last', flexible('error'), flexible('message')], rows, [0])]
}

function sum(rows: readonly { readonly events: number }[]): number {
  return rows.reduce((total, { events }) => total + events, 0)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}
