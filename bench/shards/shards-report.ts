import { TOPIC_PROJECTS } from '../made-events.ts'
import type { Report, Table } from '../report.ts'
import { median, ratiosOfRounds } from '../statistics.ts'
import { PROJECTS_OF } from './seed-partners.ts'
import { SHARDS, SHARDS_PARTITIONS, type Shards } from './sharded-stores.ts'
import { SHARDS_DAYS } from './shards-calls.ts'
import type { Ingestion, IngestionOfAll } from './shards-ingestion.ts'
import type { Cost, Questions, QuestionsOfAll } from './shards-questions.ts'
import { storedFigures } from './stored-figures.ts'

export interface ShardsMeasured {
  readonly events: number
  readonly ingestion: IngestionOfAll
  readonly questions: QuestionsOfAll
}

/** For the ratios of CPU per event and of project usage to those of one server. */
const RATIO_MAX = 1.1
const NAMES: Readonly<Record<Shards, string>> = { 1: 'one', 2: 'two', 3: 'three' }
const WHAT: Readonly<Record<Shards, string>> = { 1: 'one server', 2: '2 shards', 3: '3 shards' }

/** What is requested, by its name in the figures. Each has several samples. */
const ANSWERS: readonly { readonly name: string; readonly what: string; readonly of: (questions: Questions) => readonly Cost[] }[] = [
  { name: 'project_usage', what: "a project's month", of: ({ projectUsage }) => projectUsage },
  { name: 'partnership_usage_small', what: `usage of a partner, ${PROJECTS_OF.small} projects`, of: ({ partnershipUsage }) => partnershipUsage.small },
  { name: 'partnership_usage_large', what: `usage of a partner, ${PROJECTS_OF.large} projects`, of: ({ partnershipUsage }) => partnershipUsage.large },
  { name: 'closing_small', what: `closing a month, ${PROJECTS_OF.small} projects`, of: ({ closing }) => closing.small },
  { name: 'closing_large', what: `closing a month, ${PROJECTS_OF.large} projects`, of: ({ closing }) => closing.large },
  { name: 'first_days', what: `${SHARDS_DAYS.count} days materialized and audited after a start`, of: ({ firstDays }) => [firstDays] },
]

export function shardsReport({ events, ingestion, questions }: ShardsMeasured): Report {
  const figures = {
    ...ingestionFigures(ingestion),
    ...answerFigures(questions),
    ...storedFigures(ingestion.tables.get(1) ?? new Map(), events),
    small_partner_projects: PROJECTS_OF.small,
    large_partner_projects: PROJECTS_OF.large,
    counted_events: events,
    all_projects: TOPIC_PROJECTS.length,
    compared_answers: questions.compared,
    background_between_per_second_bytes: backgroundOf(questions),
  }
  return {
    name: 'shards',
    notes: [
      `${events.toLocaleString('en-US')} events of ${SHARDS_DAYS.count} days, ${TOPIC_PROJECTS.length.toLocaleString('en-US')} projects, ${SHARDS_PARTITIONS} partitions, produced before the clock starts. All servers, the broker and the load share these cores: more shards cannot be faster here, and what they cost shows.`,
      'CPU is that of `meterline ingest` and of the servers of the store, merges included. The stores run by turns, each into an empty database of the same servers; a ratio is the median of those of the rounds.',
      `Answers: one request after another, the stores by turns, no request like an earlier one. ${questions.compared.toLocaleString('en-US')} answers of shards were compared with those of one server, and are the same.`,
      `Bytes are those that servers sent each other on their native interfaces, in both directions. Those of the background work during the call are among them: ${(backgroundOf(questions) / 1024).toFixed(1)} KiB/s of all stores together while nothing is requested.`,
    ],
    tables: [ingestionTable(ingestion), answersTable(questions)],
    figures,
    missed: missedOf(figures),
  }
}

function backgroundOf({ background }: QuestionsOfAll): number {
  return (background.bytesBetween / background.ms) * 1000
}

function missedOf(figures: Readonly<Record<string, number>>): string | undefined {
  const missed = Object.entries(figures).filter(([name, value]) => /^ratio_shards_\w+_(?:cpu_per_event|project_usage)$/.test(name) && value > RATIO_MAX)
  return missed.length === 0 ? undefined : missed.map(([name, value]) => `${name} is ${value.toFixed(2)} instead of at most ${RATIO_MAX}.`).join(' ')
}

function cpuOf({ serviceCpuSecondsPerMillion, serversCpuSecondsPerMillion }: Ingestion): number {
  return serviceCpuSecondsPerMillion + serversCpuSecondsPerMillion
}

function cpuRatios({ rounds }: IngestionOfAll, shards: Shards): number[] {
  return ratiosOfRounds((rounds.get(shards) ?? []).map(cpuOf), (rounds.get(1) ?? []).map(cpuOf))
}

function medianOf(rounds: readonly Ingestion[], figure: keyof Ingestion): number {
  return median(rounds.map((round) => round[figure]))
}

function ingestionTable(ingestion: IngestionOfAll): Table {
  const rows = SHARDS.map((shards) => {
    const rounds = ingestion.rounds.get(shards) ?? []
    const ratios = cpuRatios(ingestion, shards)
    return [
      WHAT[shards],
      median(ratios).toFixed(2),
      ratios.map((ratio) => ratio.toFixed(2)).join(', '),
      median(rounds.map(cpuOf)).toFixed(1),
      medianOf(rounds, 'serviceCpuSecondsPerMillion').toFixed(1),
      medianOf(rounds, 'serversCpuSecondsPerMillion').toFixed(1),
      Math.round(medianOf(rounds, 'eventsPerSecond')).toLocaleString('en-US'),
    ]
  })
  return {
    title: 'Events from Kafka',
    columns: ['store', 'ratio of CPU per event', 'of each round', 'CPU s / million', 'of ingest', 'of the servers', 'events/s'],
    rows,
  }
}

function ingestionFigures(ingestion: IngestionOfAll): Record<string, number> {
  const figures: Record<string, number> = {}
  for (const shards of SHARDS) {
    const rounds = ingestion.rounds.get(shards) ?? []
    if (shards > 1) figures[`ratio_shards_${NAMES[shards]}_cpu_per_event`] = median(cpuRatios(ingestion, shards))
    figures[`${NAMES[shards]}_ingest_cpu_per_million_seconds`] = medianOf(rounds, 'serviceCpuSecondsPerMillion')
    figures[`${NAMES[shards]}_servers_cpu_per_million_seconds`] = medianOf(rounds, 'serversCpuSecondsPerMillion')
    figures[`${NAMES[shards]}_events_per_second`] = medianOf(rounds, 'eventsPerSecond')
    figures[`${NAMES[shards]}_ingest_rss_bytes`] = medianOf(rounds, 'rssBytesMax')
    figures[`${NAMES[shards]}_filter_bytes`] = medianOf(rounds, 'filterBytes')
  }
  return figures
}

function costsOf({ costs }: QuestionsOfAll, shards: Shards): Questions {
  const found = costs.get(shards)
  if (found === undefined) throw new Error(`Nothing was measured with ${shards} shards.`)
  return found
}

function p50(costs: readonly Cost[], figure: keyof Cost): number {
  return median(costs.map((cost) => cost[figure]))
}

function answersTable(questions: QuestionsOfAll): Table {
  const whole = costsOf(questions, 1)
  const rows = ANSWERS.flatMap(({ what, of }) =>
    SHARDS.map((shards) => {
      const costs = of(costsOf(questions, shards))
      return [
        what,
        WHAT[shards],
        (p50(costs, 'ms') / p50(of(whole), 'ms')).toFixed(2),
        p50(costs, 'ms').toFixed(1),
        Math.max(...costs.map(({ ms }) => ms)).toFixed(1),
        (p50(costs, 'bytesBetween') / 1024).toFixed(1),
        String(costs.length),
      ]
    }),
  )
  return { title: 'Answers', columns: ['what', 'store', 'ratio', 'p50 ms', 'slowest ms', 'KiB between servers (p50)', 'samples'], rows }
}

function answerFigures(questions: QuestionsOfAll): Record<string, number> {
  const whole = costsOf(questions, 1)
  const figures: Record<string, number> = {}
  for (const { name, of } of ANSWERS) {
    for (const shards of SHARDS) {
      const costs = of(costsOf(questions, shards))
      if (shards > 1 && name !== 'first_days') figures[`ratio_shards_${NAMES[shards]}_${name}`] = p50(costs, 'ms') / p50(of(whole), 'ms')
      figures[`${NAMES[shards]}_${name}_p50_ms`] = p50(costs, 'ms')
      if (shards > 1) figures[`${NAMES[shards]}_${name}_between_bytes`] = p50(costs, 'bytesBetween')
    }
  }
  return figures
}
