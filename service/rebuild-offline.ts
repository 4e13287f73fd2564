import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { rebuildRollup } from '../ingest/repair/rebuild-rollup.ts'
import type { Month } from '../metering/month.ts'
import { RegistryChanges } from '../registry/changes.ts'
import { readConfig } from './config.ts'
import { OFFLINE, workOffline } from './open-store.ts'

/**
 * Rebuilds a month's rollup from raw while no service runs. It is needed when the rollup is ahead of raw in a log's in-doubt range:
 * that range cannot be reconciled, so a service without Kafka does not start and its API cannot be called. Throws Error with the reason.
 */
export async function rebuildOffline(environment: NodeJS.ProcessEnv, month: Month) {
  const config = readConfig(environment, 'migrate')
  if (config.CLICKHOUSE_URL === undefined && !existsSync(join(config.DATA_DIR, 'clickhouse')))
    throw new Error(`There is no data in DATA_DIR ${config.DATA_DIR}. Set DATA_DIR to the directory of the service.`)
  return workOffline(config, async (clickhouse) => {
    const note = () => new RegistryChanges(clickhouse).note(OFFLINE, { action: 'rollup.rebuild', subject: month })
    const outcome = await rebuildRollup(clickhouse, month, { runBetweenBatches: (work) => work(), note })
    if (outcome.status === 'rejected') throw new Error(outcome.reason)
    const { keys, events, differencesBefore } = outcome.result
    return { month, keys, events, differences_before: differencesBefore }
  })
}
