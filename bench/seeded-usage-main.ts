import { METRIC_NAMES } from '../metering/metrics.ts'
import { SERVICE } from '../registry/audit-log.ts'
import { createPartner } from '../registry/create-partner.ts'
import { openRegistry } from '../registry/open-registry.ts'
import { readConfig } from '../service/config.ts'
import { loadInstanceSecrets } from '../service/instance-secrets.ts'
import { openStore } from '../service/open-store.ts'
import { registryOptionsOf } from '../service/registry-options.ts'
import { migrate } from '../sql/migrate.ts'

export interface UsageSeeded {
  readonly partnerId: string
  readonly secret: string
}

export const SEEDED_PROJECTS = 10_000
export const SEEDED_DAYS = 90
export const SEEDED_FROM = '2026-01-01'

/** Run as a separate process by seeded-usage.ts, because a process can open only one directory with the embedded engine. */
if (process.send !== undefined) {
  const [dataDir = ''] = process.argv.slice(2)
  process.send(await seed(dataDir))
  process.disconnect()
}

async function seed(dataDir: string): Promise<UsageSeeded> {
  const config = readConfig({ DATA_DIR: dataDir })
  const clickhouse = await openStore(config, { logger: { warn: (details, message) => console.error(message, details) } })
  try {
    await migrate(clickhouse)
    const registry = await openRegistry(registryOptionsOf(config, clickhouse, loadInstanceSecrets(config, { storeHoldsSealedData: false })))
    const { partner, secret } = await createPartner(registry, SERVICE, { name: 'bench', mode: 'white-label' })
    for (const statement of statements(partner.id)) await clickhouse.control.command(statement)
    return { partnerId: partner.id, secret }
  } finally {
    await clickhouse.close()
  }
}

function statements(partnerId: string): string[] {
  const metrics = METRIC_NAMES.map((metric) => `'${metric}'`).join(', ')
  const rows = SEEDED_PROJECTS * SEEDED_DAYS * METRIC_NAMES.length
  return [
    `INSERT INTO projects_v1 (project_id, revision, partner_id, name, status, region, instance_type, created_at)
     SELECT concat('prj_', leftPad(toString(number), 5, '0')), 1, '${partnerId}', concat('project ', toString(number)), 'active', 'us-east', 'nano', now64(3)
     FROM numbers(${SEEDED_PROJECTS})`,
    `INSERT INTO project_usage_per_day_v1 (project_id, usage_date, metric, log, peak, total, events, last_event_at) SELECT
       concat('prj_', leftPad(toString(intDiv(number, ${SEEDED_DAYS * METRIC_NAMES.length})), 5, '0')) AS project_id,
       toDate('${SEEDED_FROM}') + intDiv(number, ${METRIC_NAMES.length}) % ${SEEDED_DAYS} AS usage_date,
       [${metrics}][number % ${METRIC_NAMES.length} + 1] AS metric, 'http' AS log,
       toDecimal128(cityHash64(number) % 1000000000000, 9) / 1000 AS peak, toDecimal256(peak, 9) * 24 AS total, 24 AS events,
       toDateTime64(usage_date, 3, 'UTC') + 86399 AS last_event_at
     FROM numbers(${rows}) SETTINGS max_execution_time = 0`,
    // The engine merges in the background, and a measurement must not depend on how far it is; so merge everything now.
    'OPTIMIZE TABLE project_usage_per_day_v1 FINAL',
    'OPTIMIZE TABLE projects_v1 FINAL',
  ]
}
