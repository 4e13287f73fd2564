import { METRIC_NAMES } from '../metering/metrics.ts'
import { SERVICE } from '../registry/audit-log.ts'
import { createPartner } from '../registry/create-partner.ts'
import { openRegistry } from '../registry/open-registry.ts'
import type { Registry } from '../registry/registry.ts'
import { readConfig } from '../service/config.ts'
import { loadInstanceSecrets } from '../service/instance-secrets.ts'
import { openStore } from '../service/open-store.ts'
import { registryOptionsOf } from '../service/registry-options.ts'
import { migrate } from '../sql/migrate.ts'
import { forkedTask, sendResult } from './forked-task.ts'

export interface SeedTotalsTask {
  readonly dataDir: string
  readonly events: number
}

export interface SeededPartner {
  readonly partnerId: string
  readonly secret: string
  readonly projects: number
}

export interface TotalsSeeded {
  readonly large: SeededPartner
  readonly small: SeededPartner
}

export const LARGE_PROJECTS = 20_000
export const SMALL_PROJECTS = 200
export const TOTALS_DAYS = 90
export const TOTALS_FROM = '2026-01-01'

const EVENTS_PER_INSERT = 1_000_000

/** Runs as a separate process, because a process can open only one directory with the embedded engine. */
if (process.send !== undefined) sendResult(await seed(forkedTask<SeedTotalsTask>()))

/** Inserts raw events directly; the views fill the rollup and the day changes as usual. */
async function seed({ dataDir, events }: SeedTotalsTask): Promise<TotalsSeeded> {
  const config = readConfig({ DATA_DIR: dataDir })
  const clickhouse = await openStore(config, { logger: { warn: (details, message) => console.error(message, details) } })
  try {
    await migrate(clickhouse)
    const registry = await openRegistry(registryOptionsOf(config, clickhouse, loadInstanceSecrets(config, { storeHoldsSealedData: false })))
    const large = await seedPartner(registry, 'large', LARGE_PROJECTS)
    const small = await seedPartner(registry, 'small', SMALL_PROJECTS)
    for (let first = 0; first < events; first += EVENTS_PER_INSERT)
      await clickhouse.control.command(rawEvents(first, Math.min(EVENTS_PER_INSERT, events - first)))
    // The engine merges in the background, and a measurement must not depend on how far it is; so merge everything now.
    for (const table of ['raw_usage_events_v1', 'project_usage_per_day_v1', 'projects_v1'])
      await clickhouse.control.command(`OPTIMIZE TABLE ${table} FINAL SETTINGS max_execution_time = 0`)
    return { large, small }
  } finally {
    await clickhouse.close()
  }
}

async function seedPartner(registry: Registry, name: string, projects: number): Promise<SeededPartner> {
  const { partner, secret } = await createPartner(registry, SERVICE, { name, mode: 'white-label' })
  await registry.clickhouse.control.command(
    `INSERT INTO projects_v1 (project_id, revision, partner_id, name, status, region, instance_type, created_at)
     SELECT concat('${name}_', leftPad(toString(number), 5, '0')), 1, '${partner.id}', concat('project ', toString(number)), 'active', 'us-east', 'nano', now64(3)
     FROM numbers(${projects})`,
  )
  return { partnerId: partner.id, secret, projects }
}

/** Every project gets every metric on every day before any gets a second event, so that the events fill as many rollup rows as possible. */
function rawEvents(first: number, count: number): string {
  const metrics = METRIC_NAMES.map((metric) => `'${metric}'`).join(', ')
  const projects = LARGE_PROJECTS + SMALL_PROJECTS
  return `
    INSERT INTO raw_usage_events_v1 (project_id, event_id, usage_date, metric, timestamp, value, log, rank, received_at)
    SELECT
      if(number % ${projects} < ${SMALL_PROJECTS}, concat('small_', leftPad(toString(number % ${projects}), 5, '0')),
        concat('large_', leftPad(toString(number % ${projects} - ${SMALL_PROJECTS}), 5, '0'))) AS project_id,
      toString(generateUUIDv4(number)) AS event_id,
      toDate('${TOTALS_FROM}') + intDiv(number, ${projects * METRIC_NAMES.length}) % ${TOTALS_DAYS} AS usage_date,
      [${metrics}][intDiv(number, ${projects}) % ${METRIC_NAMES.length} + 1] AS metric,
      toDateTime64(usage_date, 3, 'UTC') + number % 86400 AS timestamp,
      toDecimal128(cityHash64(number) % 1000000000000, 9) / 1000 AS value,
      'seeded' AS log, bitNot(toUInt64(number)) AS rank, timestamp AS received_at
    FROM numbers(${first}, ${count})
    SETTINGS max_execution_time = 0, max_partitions_per_insert_block = 0, deduplicate_insert = 'disable', wait_for_part_commit_in_dependent_materialized_views = 1`
}
