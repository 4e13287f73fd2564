import type { AuditedIndex } from '../aggregator/audits/daily-audits.ts'
import { countMissingIdentities, requestIndexing } from '../ingest/log/identity-index.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { shardsOf } from '../sql/shards.ts'

/** The index of identities as the audits check it: each shard has that of its own events. */
export function identityIndexOf(clickhouse: ClickHouse): AuditedIndex {
  const shards = shardsOf(clickhouse)
  return {
    countMissing: async () => {
      let missing = 0
      for (const shard of shards) missing += await countMissingIdentities(shard)
      return missing
    },
    requestIndexing: async () => {
      for (const shard of shards) await requestIndexing(shard)
    },
  }
}
