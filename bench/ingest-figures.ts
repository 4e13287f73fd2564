import type { RateSide } from './ingest-rates.ts'
import { mebibytes, type Table } from './report.ts'
import { median, ratiosOfRounds } from './statistics.ts'

/** A figure with its name for programs and its description for readers; both contain the unit. */
export interface IngestFigure {
  readonly name: string
  readonly what: string
  readonly value: number
  readonly digits: number
}

/** Meterline divided by the Kafka engine with the same fsync setting, round by round. */
const RATIOS = [
  { name: 'ratio_kafka_engine', ours: 'meterline', engine: 'kafka_engine' },
  { name: 'ratio_kafka_engine_no_fsync', ours: 'meterline_no_fsync', engine: 'kafka_engine_no_fsync' },
] as const

export function rateTable(sides: readonly RateSide[]): Table {
  const rows = sides.map(({ name, what, eventsPerSecond, cpuSecondsPerMillion, rssBytesMax }) => {
    const ratios = ratiosOf(sides, name)
    return [
      what,
      ratios === undefined ? '' : median(ratios).toFixed(2),
      ratios === undefined ? '' : ratios.map((ratio) => ratio.toFixed(2)).join(', '),
      whole(median(eventsPerSecond)),
      eventsPerSecond.map(whole).join(' · '),
      median(cpuSecondsPerMillion).toFixed(1),
      mebibytes(median(rssBytesMax)),
    ]
  })
  return {
    title: 'Events from Kafka',
    columns: ['path', 'ratio to Kafka engine', 'of each round', 'events/s', 'of each round', 'CPU s / million', 'RSS MiB at most'],
    rows,
  }
}

export function rateFigures(sides: readonly RateSide[]): Record<string, number> {
  const figures: Record<string, number> = {}
  for (const { name, ours } of RATIOS) {
    const ratios = ratiosOf(sides, ours) ?? []
    Object.assign(figures, { [name]: median(ratios), [`${name}_least`]: Math.min(...ratios), [`${name}_most`]: Math.max(...ratios) })
  }
  for (const { name, eventsPerSecond, cpuSecondsPerMillion, rssBytesMax } of sides) {
    figures[`${name}_events_per_second`] = median(eventsPerSecond)
    eventsPerSecond.forEach((rate, round) => {
      figures[`${name}_round_${round + 1}_events_per_second`] = rate
    })
    figures[`${name}_cpu_per_million_seconds`] = median(cpuSecondsPerMillion)
    figures[`${name}_rss_bytes`] = median(rssBytesMax)
  }
  return figures
}

function ratiosOf(sides: readonly RateSide[], name: RateSide['name']): number[] | undefined {
  const pair = RATIOS.find(({ ours }) => ours === name)
  const find = (wanted: string | undefined) => sides.find((side) => side.name === wanted)?.eventsPerSecond
  const [ours, engine] = [find(pair?.ours), find(pair?.engine)]
  return ours === undefined || engine === undefined ? undefined : ratiosOfRounds(ours, engine)
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
