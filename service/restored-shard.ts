import { admitRestoredShard } from '../ingest/repair/restored-shard.ts'
import type { Actor } from '../registry/audit-log.ts'
import { RegistryChanges } from '../registry/changes.ts'
import { readConfig } from './config.ts'
import { openStore, prepareStore, warnOnStderr } from './open-store.ts'

/** Makes a shard that was restored from an older backup a part of the store again, while no process runs. Throws Error with the reason. */
export async function admitShard(environment: NodeJS.ProcessEnv, place: number) {
  const config = readConfig(environment, 'migrate')
  const clickhouse = await openStore(config, { logger: { warn: warnOnStderr } })
  try {
    await prepareStore(config, clickhouse, { logger: { info: warnOnStderr, warn: warnOnStderr }, to: 'work offline' })
    const note = () => new RegistryChanges(clickhouse).note(OFFLINE, { action: 'shard.restored', subject: String(place) })
    const outcome = await admitRestoredShard(clickhouse, place, note)
    if (outcome.status === 'rejected') throw new Error(outcome.reason)
    return { shard: place, logs: outcome.logs, days: outcome.days }
  } finally {
    await clickhouse.close()
  }
}

/** The actor in the audit log. Running this needs the credentials of the database, not a token. */
const OFFLINE: Actor = { name: 'offline', requestId: '' }
