import { addDecimals, compareDecimals } from '../../../metering/exact-decimal.ts'
import { linkTo } from '../../address/address.ts'
import { allDigits, counted } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import type { Finding } from './finding.ts'
import { type HealthReport, RANGE_TITLES } from './read-report.ts'

/** As in docs/operating/alerts.yml. */
const WATERMARK_SECONDS_MAX = 600
const LAG_EVENTS_MAX = '10000'
const BATCH_SECONDS_MAX = 60
const TRANSACTION_SECONDS_MAX = 300
/** With fewer counted events than this for each rejected one, it is no longer the noise of single mistakes. */
const COUNTED_PER_REJECTED_MIN = 99n

const INGEST_LOG = { href: linkTo(['service-logs'], { source: 'ingest', level: 'warn' }), title: 'Log lines of counting' }

/** Whether events are accepted and counted, and up to when. */
export function findInLogs(report: HealthReport, nowMs: number): Finding[] {
  const { readiness, ingesting } = report
  const findings: Finding[] = readiness.warnings.map((what) => ({ tone: 'warn', what, why: 'The service says so.', next: 'Read its log.', link: INGEST_LOG }))
  if (!readiness.ready)
    findings.push({
      tone: 'bad',
      what: 'The process accepts no events.',
      why: readiness.reason ?? 'It gave no reason.',
      next: 'Read its log.',
      link: INGEST_LOG,
    })
  if (ingesting.kafka_trouble)
    findings.push({
      ...{ tone: 'bad', what: 'The Kafka brokers cannot be reached or read.', why: 'Events wait in the topic and are lost only when its retention ends.' },
      ...{ next: 'Check the brokers and the network between.', link: INGEST_LOG },
    })
  return [...findings, ...ingesting.logs.filter(({ owned, incident }) => owned || incident !== null).flatMap((log) => ofLog(log, nowMs)), ...rejected(report)]
}

function ofLog(log: HealthReport['ingesting']['logs'][number], nowMs: number): Finding[] {
  const findings: Finding[] = []
  const name = log.log
  if (nowMs - Date.parse(log.as_of) > WATERMARK_SECONDS_MAX * 1_000)
    findings.push({
      ...{ tone: 'bad', what: `The log ${name} is complete only up to ${showTime(log.as_of)}.`, link: INGEST_LOG },
      ...{ why: 'It is stopped, or its process is slow. No month closes meanwhile.', next: 'Read why in the log of the service.' },
    })
  if (log.incident !== null)
    findings.push({
      ...{
        tone: 'bad',
        what: `The log ${name} is stopped by an incident: ${log.incident}.`,
        why: 'It counts nothing until an operator decides.',
        link: INGEST_LOG,
      },
      next: log.incident === 'partition_count_changed' ? 'Then run: meterline log repartition.' : `Read what happened, then run: meterline log reset ${name}.`,
    })
  if (compareDecimals(log.lag_events, LAG_EVENTS_MAX) > 0)
    findings.push({
      ...{ tone: 'warn', what: `${counted(log.lag_events, 'event')} of the log ${name} wait to be counted.` },
      ...{ why: 'Events arrive faster than they are counted, or counting has just resumed.', next: 'If it grows, start another "meterline ingest".' },
    })
  if (Number(log.batch_in_flight_seconds) > BATCH_SECONDS_MAX)
    findings.push({
      ...{ tone: 'warn', what: `A batch of the log ${name} has been in flight for ${log.batch_in_flight_seconds} seconds.` },
      ...{ why: 'The database is slow or does not answer.', next: 'Look at the disks below, and at the database.' },
    })
  if (Number(log.open_transaction_seconds) > TRANSACTION_SECONDS_MAX)
    findings.push({
      ...{ tone: 'warn', what: `A producer has kept a transaction in ${name} open for ${log.open_transaction_seconds} seconds.` },
      ...{ why: 'What is behind it cannot be read until it ends.', next: 'End the producer, or abort the transaction with kafka-transactions.sh.' },
    })
  if (log.filter_full)
    findings.push({
      ...{ tone: 'warn', what: `The identity filter of ${name} has reached its memory limit.`, why: 'Every event is looked up in the database.' },
      next: 'Start another "meterline ingest", or give the process more memory.',
    })
  return findings
}

function rejected({ activity, range }: HealthReport): Finding[] {
  const [lost, kept] = [sumOf(activity.rejected), sumOf(activity.counted)]
  if (lost === '0') return []
  const isMany = BigInt(kept) < BigInt(lost) * COUNTED_PER_REJECTED_MIN
  return [
    {
      tone: isMany ? 'warn' : 'plain',
      what: `${counted(lost, 'event')} of the ${RANGE_TITLES[range].toLowerCase()} ${lost === '1' ? 'was' : 'were'} rejected, and ${allDigits(kept)} counted.`,
      why: activity.rejected.map(({ reason, events }) => `${reason}: ${allDigits(events)}`).join(', '),
      ...{ next: 'Correct the emitter, then resend them.', link: { href: linkTo(['rejected']), title: 'Rejected events' } },
    },
  ]
}

export function sumOf(rows: readonly { readonly events: string }[]): string {
  return rows.reduce((total, { events }) => addDecimals(total, events), '0')
}
