import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { type Finding, namesOf } from './finding.ts'
import type { State } from './read-state.ts'

/** As in docs/operating/alerts.yml. */
const WATERMARK_SECONDS_MAX = 600
const LAG_EVENTS_MAX = 10_000
const BATCH_SECONDS_MAX = 60
const TRANSACTION_SECONDS_MAX = 300
/** More than this share of the events of a range, rejected, is no longer the noise of single mistakes. */
const REJECTED_SHARE_MAX = 0.01
const ID_REASONS = ['unknown_metric', 'project_not_allowed']

/** Whether events are accepted and counted, and up to when. */
export function findInIngest(state: State): Finding[] {
  return [...readiness(state), ...source(state), ...logs(state), ...rejected(state), ...silent(state)]
}

function readiness({ report: { readiness: ready, ingesting } }: State): Finding[] {
  const findings: Finding[] = ready.warnings.map((warning) => ({
    ...{ id: 'service_warning', severity: 'warning', category: 'health' },
    ...{ what: warning, cause: 'The service says so in its readiness.', next: 'meterline logs --level warn' },
  }))
  if (!ready.ready)
    findings.push({
      ...{ id: 'not_ready', severity: 'critical', category: 'health' },
      ...{ what: 'The process accepts no events.', cause: ready.reason ?? 'It gave no reason.', next: 'meterline logs ingest --level warn' },
    })
  if (ingesting.kafka_trouble)
    findings.push({
      ...{ id: 'kafka_unreachable', severity: 'critical', category: 'health', what: 'The Kafka brokers cannot be reached or read.' },
      ...{ cause: 'Events wait in the topic and are lost only when its retention ends.', next: 'meterline logs ingest --level warn, then check the brokers' },
    })
  return findings
}

function source({ source: state }: State): Finding[] {
  if (state === undefined || state.source === null) return []
  if (!state.in_force)
    return [
      {
        ...{ id: 'source_switch_open', severity: 'critical', category: 'health', what: 'Nothing is counted: a switch of the source was interrupted.' },
        ...{ cause: `The switch to ${state.source} has begun and not ended.`, next: 'meterline log source use' },
      },
    ]
  if (state.source === state.configured) return []
  return [
    {
      ...{ id: 'other_source_in_force', severity: 'critical', category: 'health' },
      ...{ what: `The events of ${state.configured}, which this process is configured with, are not counted.` },
      ...{ cause: `The source in force is ${state.source}.`, next: 'Correct the configuration, or switch with "meterline log source use"' },
    },
  ]
}

function logs({ nowMs, report: { ingesting, automation }, source: state }: State): Finding[] {
  const here = new Set(ingesting.logs.filter(({ incident }) => incident !== null).map(({ log }) => log))
  const stopped = automation.stopped_logs.filter(({ log }) => !here.has(log)).map(({ log, incident, message }) => ofIncident({ log, incident, cause: message }))
  const old = (state?.logs ?? []).flatMap(({ log, as_of }): Finding[] => {
    const seconds = as_of === null ? 0 : Math.round((nowMs - Date.parse(as_of)) / 1_000)
    if (seconds <= WATERMARK_SECONDS_MAX) return []
    return [
      {
        ...{ id: 'watermark_old', severity: 'critical', category: 'health', what: `The log ${log} is complete only up to ${as_of}, ${minutes(seconds)} ago.` },
        ...{ cause: 'It is stopped, no process has it, or its process is slow. No month closes meanwhile.', next: 'meterline logs ingest --level warn' },
      },
    ]
  })
  return [...old, ...stopped, ...ingesting.logs.filter(({ owned, incident }) => owned || incident !== null).flatMap(ofLog)]
}

function ofIncident({ log, incident, cause }: { log: string; incident: string; cause: string }): Finding {
  const what = `The log ${log} is stopped by an incident: ${incident}.`
  const next = incident === 'partition_count_changed' ? 'meterline log repartition' : `meterline logs ingest --level error, then meterline log reset ${log}`
  return { id: 'log_incident', severity: 'critical', category: 'health', what, cause, next }
}

function ofLog(log: State['report']['ingesting']['logs'][number]): Finding[] {
  const findings: Finding[] = []
  if (log.incident !== null)
    findings.push(
      ofIncident({
        ...{ log: log.log, incident: log.incident },
        cause: 'It counts nothing until an operator decides; GET /readyz and the log of the process say what happened.',
      }),
    )
  if (log.lag_events > LAG_EVENTS_MAX)
    findings.push({
      ...{
        id: 'lag',
        severity: 'warning',
        category: 'performance',
        what: `${counted(log.lag_events, 'event')} of the log ${log.log} ${log.lag_events === 1 ? 'waits' : 'wait'} to be counted.`,
      },
      ...{
        cause: 'Events arrive faster than they are counted, or counting has just resumed.',
        next: 'meterline diagnose metrics --range 1h; if it grows, start another "meterline ingest"',
      },
    })
  if (log.batch_in_flight_seconds > BATCH_SECONDS_MAX)
    findings.push({
      ...{
        id: 'batch_stuck',
        severity: 'warning',
        category: 'performance',
        what: `A batch of the log ${log.log} has been in flight for ${counted(log.batch_in_flight_seconds, 'second')}.`,
      },
      ...{ cause: 'The database is slow or does not answer.', next: 'meterline diagnose db' },
    })
  if (log.open_transaction_seconds > TRANSACTION_SECONDS_MAX)
    findings.push({
      ...{ id: 'open_transaction', severity: 'warning', category: 'health' },
      ...{ what: `A producer has kept a transaction in ${log.log} open for ${minutes(log.open_transaction_seconds)}.` },
      ...{ cause: 'What is behind it cannot be read until it ends.', next: 'End the producer, or abort the transaction with kafka-transactions.sh' },
    })
  if (log.filter_full)
    findings.push({
      ...{ id: 'filter_full', severity: 'warning', category: 'performance', what: `The identity filter of ${log.log} has reached its memory limit.` },
      ...{ cause: 'Every event is looked up in the database.', next: 'Start another "meterline ingest", or give the process more memory' },
    })
  return findings
}

function rejected({ report: { activity, range } }: State): Finding[] {
  const total = sum(activity.rejected)
  if (total === 0) return []
  const share = total / (total + sum(activity.counted))
  const reasons = activity.rejected.map(({ reason, events }) => `${reason}: ${grouped(events)}`)
  const isIdProblem = activity.rejected.some(({ reason }) => ID_REASONS.includes(reason))
  return [
    {
      ...{ id: 'events_rejected', severity: share > REJECTED_SHARE_MAX ? 'warning' : 'info', category: 'billing' },
      what: `${counted(total, 'event')} of the last ${range} ${total === 1 ? 'was' : 'were'} rejected, and ${grouped(sum(activity.counted))} of recent days counted.`,
      cause: `${reasons.join(', ')}.${isIdProblem ? ' An emitter uses names that the service does not know.' : ''}`,
      next: 'meterline rejected list, correct the emitter, then meterline rejected resend <id…>',
    },
  ]
}

function silent({ silent: found }: State): Finding[] {
  if (found === undefined || found.silent.length === 0) return []
  const names = found.silent.map(({ project_id, metric, last_day }) => `${project_id} (${metric}, last on ${last_day})`)
  return [
    {
      ...{ id: 'silent_emitters', severity: 'warning', category: 'billing' },
      what: `${found.truncated ? 'More than ' : ''}${counted(names.length, 'metric')} of projects that reported every day stopped: ${namesOf(names)}.`,
      cause: 'Their emitter failed, lost its key or was switched off; what it does not send is not billed.',
      next: 'Check the emitter of each; the whole list: meterline api GET /admin/v1/silent-projects',
    },
  ]
}

function sum(rows: readonly { readonly events: number }[]): number {
  return rows.reduce((total, { events }) => total + events, 0)
}

function minutes(seconds: number): string {
  return seconds < 120 ? counted(Math.round(seconds), 'second') : counted(Math.round(seconds / 60), 'minute')
}
