import { admitRestoredShard } from '../ingest/repair/restored-shard.ts'
import { RegistryChanges } from '../registry/changes.ts'
import { readConfig } from './config.ts'
import { OFFLINE, workOffline } from './open-store.ts'

/** Makes a shard that was restored from an older backup a part of the store again, while no process runs. Throws Error with the reason. */
export function admitShard(environment: NodeJS.ProcessEnv, place: number) {
  return workOffline(readConfig(environment, 'migrate'), async (clickhouse) => {
    const note = () => new RegistryChanges(clickhouse).note(OFFLINE, { action: 'shard.restored', subject: String(place) })
    const outcome = await admitRestoredShard(clickhouse, place, note)
    if (outcome.status === 'rejected') throw new Error(outcome.reason)
    return { shard: place, logs: outcome.logs, days: outcome.days }
  })
}
