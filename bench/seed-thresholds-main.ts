import { SERVICE } from '../registry/audit-log.ts'
import { createPartner } from '../registry/create-partner.ts'
import { openRegistry } from '../registry/open-registry.ts'
import { readConfig } from '../service/config.ts'
import { loadInstanceSecrets } from '../service/instance-secrets.ts'
import { openStore } from '../service/open-store.ts'
import { registryOptionsOf } from '../service/registry-options.ts'
import { migrate } from '../sql/migrate.ts'
import { forkedTask, sendResult } from './forked-task.ts'

export interface SeedThresholdsTask {
  readonly dataDir: string
  readonly thresholds: number
}

export const THRESHOLD_PROJECTS = 10_000
/** The level of every threshold. */
export const LEVEL = '1000000000'

/** Runs as a separate process, because a process can open only one directory with the embedded engine. */
if (process.send !== undefined) sendResult(await seed(forkedTask<SeedThresholdsTask>()))

/** One partner with 10,000 projects, and a threshold for each of the first ones. */
async function seed({ dataDir, thresholds }: SeedThresholdsTask): Promise<{ partnerId: string }> {
  const config = readConfig({ DATA_DIR: dataDir })
  const clickhouse = await openStore(config, { logger: { warn: (details, message) => console.error(message, details) } })
  try {
    await migrate(clickhouse)
    const registry = await openRegistry(registryOptionsOf(config, clickhouse, loadInstanceSecrets(config, { storeHoldsSealedData: false })))
    const { partner } = await createPartner(registry, SERVICE, { name: 'bench', mode: 'white-label' })
    await clickhouse.control.command(
      `INSERT INTO projects_v1 (project_id, revision, partner_id, name, status, region, instance_type, created_at)
       SELECT concat('prj_', leftPad(toString(number), 5, '0')), 1, '${partner.id}', concat('project ', toString(number)), 'active', 'us-east', 'nano', now64(3)
       FROM numbers(${THRESHOLD_PROJECTS})`,
    )
    await clickhouse.control.command(
      `INSERT INTO thresholds_v1 (threshold_id, revision, set_by, partner_id, project_id, metric, levels, budget, is_active, created_at, updated_at)
       SELECT concat('th_', toString(number)), 1, '', '${partner.id}', concat('prj_', leftPad(toString(number), 5, '0')), 'ai_tokens',
         '[{"name":"reached","value":"${LEVEL}"}]', '', 1, now64(3), now64(3)
       FROM numbers(${thresholds})`,
    )
    return { partnerId: partner.id }
  } finally {
    await clickhouse.close()
  }
}
