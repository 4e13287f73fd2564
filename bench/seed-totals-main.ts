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
import { insertRawEvents } from './raw-events.ts'

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

const PROJECTS = LARGE_PROJECTS + SMALL_PROJECTS
const SEEDED = {
  projectId: `if(number % ${PROJECTS} < ${SMALL_PROJECTS}, concat('small_', leftPad(toString(number % ${PROJECTS}), 5, '0')),
        concat('large_', leftPad(toString(number % ${PROJECTS} - ${SMALL_PROJECTS}), 5, '0')))`,
  projects: PROJECTS,
  from: TOTALS_FROM,
  days: TOTALS_DAYS,
}

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
      await clickhouse.control.command(insertRawEvents(SEEDED, first, Math.min(EVENTS_PER_INSERT, events - first)))
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
