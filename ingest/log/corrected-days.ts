import type { Correction } from '../../metering/correction.ts'
import { groupedBy } from '../../metering/grouped-by.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { requireMapInForce } from '../../sql/shard-map.ts'
import { shardOfProject } from '../../sql/shards.ts'
import { isCopyOf } from './detect-corrections.ts'
import { findByIdentity } from './find-stored.ts'
import { isIndexComplete } from './identity-index.ts'
import type { Identity } from './look-up.ts'

/** What is stored of the event that a correction names. */
export interface CorrectedDay {
  /** YYYY-MM-DD; undefined if the event is not stored. */
  readonly day: string | undefined
  /** Whether the correction itself is stored already: this one is a copy, and changes nothing. */
  readonly isCopy: boolean
}

/** The days of the events that these corrections correct, in their order. Throws StoreError. */
export async function findCorrectedDays(clickhouse: ClickHouse, corrections: readonly Correction[]): Promise<CorrectedDay[]> {
  // On another shard than that of its project, an event would seem to be missing.
  await requireMapInForce(clickhouse)
  const shardOf = ({ projectId }: Correction) => shardOfProject(clickhouse, projectId)
  const found = new Map<ClickHouse, Awaited<ReturnType<typeof findOnShard>>>()
  for (const [shard, ofShard] of groupedBy(corrections, shardOf)) found.set(shard, await findOnShard(shard, ofShard))
  return corrections.map((correction) => {
    const { projectId, eventId, corrects } = correction
    const stored = found.get(shardOf(correction))
    if (stored === undefined) throw new Error('Every correction was looked up.')
    const first = stored.corrections.get(projectId, eventId)
    return { day: stored.events.get(projectId, corrects)?.usageDate, isCopy: first !== undefined && isCopyOf(correction, first) }
  })
}

async function findOnShard(shard: ClickHouse, corrections: readonly Correction[]) {
  const targets = corrections.map(({ projectId, corrects }): Identity => [projectId, corrects])
  const own = corrections.map(({ projectId, eventId }): Identity => [projectId, eventId])
  const lookUp = { lane: shard.reads, catalogue: shard.reads, indexed: await isIndexComplete(shard), secondsMax: LOOK_UP_SECONDS_MAX }
  return findByIdentity(lookUp, [...targets, ...own])
}

const LOOK_UP_SECONDS_MAX = 30
