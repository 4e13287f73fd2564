import { METRIC_NAMES } from '../metering/metrics.ts'
import { SERVICE } from '../registry/audit-log.ts'
import { createPartner } from '../registry/create-partner.ts'
import { openRegistry } from '../registry/open-registry.ts'
import { readConfig } from '../service/config.ts'
import { loadInstanceSecrets } from '../service/instance-secrets.ts'
import { openStore } from '../service/open-store.ts'
import { registryOptionsOf } from '../service/registry-options.ts'
import { migrate } from '../sql/migrate.ts'
import { insertRawEvents } from './raw-events.ts'

export interface UsageSeeded {
  readonly partnerId: string
  readonly secret: string
}

export const SEEDED_PROJECTS = 10_000
export const SEEDED_DAYS = 90
export const SEEDED_FROM = '2026-01-01'
const DAYS_PER_INSERT = 10
const EVENTS_PER_INSERT = SEEDED_PROJECTS * METRIC_NAMES.length * DAYS_PER_INSERT
const SEEDED = {
  projectId: `concat('prj_', leftPad(toString(number % ${SEEDED_PROJECTS}), 5, '0'))`,
  projects: SEEDED_PROJECTS,
  from: SEEDED_FROM,
  days: SEEDED_DAYS,
}

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
  return [
    `INSERT INTO projects_v1 (project_id, revision, partner_id, name, status, region, instance_type, created_at)
     SELECT concat('prj_', leftPad(toString(number), 5, '0')), 1, '${partnerId}', concat('project ', toString(number)), 'active', 'us-east', 'nano', now64(3)
     FROM numbers(${SEEDED_PROJECTS})`,
    ...Array.from({ length: SEEDED_DAYS / DAYS_PER_INSERT }, (_, index) => insertRawEvents(SEEDED, index * EVENTS_PER_INSERT, EVENTS_PER_INSERT)),
    // The engine merges in the background, and a measurement must not depend on how far it is; so merge everything now.
    ...['raw_usage_events_v1', 'project_usage_per_day_v1', 'projects_v1'].map((table) => `OPTIMIZE TABLE ${table} FINAL SETTINGS max_execution_time = 0`),
  ]
}
