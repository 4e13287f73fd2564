import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FILTER_BYTES_MAX } from '../../ingest/kafka/assigned-partitions.ts'
import { BITS_PER_IDENTITY } from '../../ingest/log/identity-filter.ts'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import { READ_SESSIONS } from '../../sql/clickhouse.ts'
import { READ_BYTES_MAX } from '../../sql/limited-reads.ts'
import { QUERY_BYTES_MAX } from '../../sql/query.ts'
import { type Result, ResultSchema } from '../results.ts'
import type { CapacityInputs } from './capacity.ts'

/**
 * What a kept run of `npm run bench -- shards` says about one event, one row and one process; the rest are limits of the code. Throws if the
 * run lacks a figure, or is too small to compute from.
 */
export function inputsOf({ figures, machine }: Pick<Result, 'figures' | 'machine'>): CapacityInputs {
  const figure = (name: string): number => {
    const value = figures[name]
    if (value === undefined) throw new Error(`The kept run has no figure ${name}: run npm run bench -- shards.`)
    return value
  }
  const closingMs = figure('two_closing_large_p50_ms') - figure('two_closing_small_p50_ms')
  if (closingMs <= 0)
    throw new Error('The kept run has too few events: closing a large partner was not slower than a small one. Run npm run bench -- shards with more.')
  const eventsPerProject = figure('counted_events') / figure('all_projects')
  const closedEvents = (figure('large_partner_projects') - figure('small_partner_projects')) * eventsPerProject
  return {
    ingestCpuSecondsPerMillion: figure('two_ingest_cpu_per_million_seconds'),
    serversCpuSecondsPerMillion: figure('two_servers_cpu_per_million_seconds'),
    bytesPerEvent: figure('raw_per_event_bytes') + figure('index_per_event_bytes'),
    bytesPerRollupRow: figure('rollup_per_row_bytes'),
    metrics: METRIC_NAMES.length,
    ingestBytes: figure('two_ingest_rss_bytes') - figure('two_filter_bytes'),
    filterBitsPerIdentity: BITS_PER_IDENTITY,
    filterBytesMax: FILTER_BYTES_MAX,
    // Of two shards, the other one has half of the rows.
    betweenBytesPerRollupRow: figure('two_first_days_between_bytes') / (figure('rollup_rows') / 2),
    closingSecondsPerMillion: closingMs / 1000 / (closedEvents / 1e6),
    measuredCores: machine.cores,
    queryBytesMax: QUERY_BYTES_MAX + READ_SESSIONS * READ_BYTES_MAX,
  }
}

export interface KeptRun {
  readonly file: string
  readonly result: Result
}

/** The newest run of `shards` in the folder that is not small. Throws if there is none. */
export function newestShardsRun(folder: string): KeptRun {
  const names = readdirSync(folder).filter((name) => /-shards-(?:stated|full)\.json$/.test(name))
  const file = names.sort().at(-1)
  if (file === undefined) throw new Error('There is no kept run to compute with: run npm run bench -- shards.')
  return { file, result: ResultSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))) }
}
