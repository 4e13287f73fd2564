import { openBenchTopic } from './bench-topic.ts'
import { measureDuplicateRate } from './duplicate-rate.ts'
import { type IngestFigure, rateFigures, rateTable } from './ingest-figures.ts'
import { measureIngestRates } from './ingest-rates.ts'
import type { KafkaService } from './kafka-service.ts'
import { measureKillToResume } from './kill-to-resume.ts'
import { type Report, type Run, roundsOf } from './report.ts'
import { median, percentile } from './statistics.ts'
import { measureVisibleLatency } from './visible-latency.ts'

const EVENTS = 3_000_000
/** Odd, so that a median is a value of one round. */
const ROUNDS = 3

/** Measures how fast one process counts events from Kafka, compared with ClickHouse's Kafka engine, which validates nothing and detects no duplicates. */
export async function measureIngest(run: Run): Promise<Report> {
  const events = run.events ?? EVENTS
  const topic = await openBenchTopic(run.closers)
  run.progress(`producing ${events} events`)
  await topic.fill(events)
  const kills = await measureKillToResume(run, topic)
  const { sides, service, directory } = await measureIngestRates(run, topic, { events, rounds: roundsOf(run, ROUNDS) })
  const filter = await readFilter(service)
  const latency = await measureVisibleLatency(run, topic, { service, firstEvent: events })
  await service.stop()
  const duplicates = await measureDuplicateRate(run, topic, { directory, events })

  const others: IngestFigure[] = [
    { name: 'duplicates_per_second', what: `duplicates/s, ${inThousands(duplicates.detected)} of them`, value: duplicates.duplicatesPerSecond, digits: 0 },
    { name: 'kill_to_resume_seconds', what: `s from a kill to counting again, median of ${spread(kills)}`, value: median(kills), digits: 1 },
    { name: 'filter_megabytes_per_million_identities', what: 'MB of filter per million identities', value: filter.megabytesPerMillion, digits: 2 },
    { name: 'filter_megabytes', what: `MB of filter for ${inThousands(filter.identities)} identities`, value: filter.megabytes, digits: 1 },
    { name: 'latency_p50_ms', what: `ms from emit to visible, p50 of ${latency.ms.length} marks`, value: percentile(latency.ms, 0.5), digits: 0 },
    { name: 'latency_p99_ms', what: 'ms from emit to visible, p99', value: percentile(latency.ms, 0.99), digits: 0 },
    { name: 'latency_events_per_second', what: 'events/s in that test', value: latency.eventsPerSecond, digits: 0 },
  ]
  return {
    name: 'ingest',
    notes: [
      `${inThousands(events)} events of 184 bytes on average as JSON, 5,000 projects, 4 partitions, uncompressed, produced before the clock starts. Broker and load share these cores.`,
      `Both paths start with an empty directory and write into the same raw table, whose view fills the rollup, in the same embedded engine. They run alternately for ${sides[0]?.eventsPerSecond.length} rounds; figures are medians. The clock runs from the first assigned partition (for Meterline: with its lease) until all events are counted. The Kafka engine has one thread and blocks of 25,000 rows per partition.`,
      '"No fsync" applies to raw and rollup; Meterline still syncs its positions.',
      'Latency: from handing an event to its producer until project usage, which is requested repeatedly, includes it. A kill is SIGKILL while events are counted; the clock runs until a process that is started immediately on the same directory has counted an event.',
    ],
    tables: [
      rateTable(sides),
      { title: 'Other figures', columns: ['figure', 'value'], rows: others.map(({ what, value, digits }) => [what, inThousands(value, digits)]) },
    ],
    figures: { ...rateFigures(sides), ...Object.fromEntries(others.map(({ name, value }) => [name, value])) },
  }
}

async function readFilter(service: KafkaService) {
  const metrics = await service.metrics()
  const identities = metrics.get('meterline_filter_identities') ?? Number.NaN
  const bytes = metrics.get('meterline_filter_bytes') ?? Number.NaN
  return { identities, megabytes: bytes / 1e6, megabytesPerMillion: bytes / identities }
}

function spread(values: readonly number[]): string {
  return `${values.length}, ${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`
}

function inThousands(value: number, digits = 0): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
