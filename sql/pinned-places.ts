import { z } from 'zod'
import type { ClickHouse, Lane } from './clickhouse.ts'
import { isUnavailable, StoreError } from './errors.ts'
import { defineQuery } from './query.ts'

/** The place of a server in the ordered list, counted from 1. */
export interface Place {
  readonly shard: number
  readonly shards: number
}

/** Checks that a store of one server is not a shard of a store of several: its totals would lack those of the others. Throws StoreError. */
export async function requireWhole({ control }: ClickHouse): Promise<void> {
  const [own] = await readPinned(control)
  if (own === undefined) return
  throw new StoreError(
    'fault',
    `This ClickHouse server is shard ${own.shard} of a store of several servers, so its usage is not complete. Set CLICKHOUSE_URLS to the list of all of them, in their order.`,
  )
}

/**
 * Checks that no shard has the data of an older backup: the first one knows how often the materialized days had changed. A shard that does not
 * answer is not checked. Throws StoreError.
 */
export async function requireNoneRestored(clickhouse: ClickHouse): Promise<void> {
  const [day] = await clickhouse.control.query(daysThatWentBack, {}).catch((thrown: unknown) => {
    if (isUnavailable(thrown)) return []
    throw thrown
  })
  if (day === undefined) return
  throw new StoreError(
    'fault',
    `Usage of ${day.day} had changed more often than its shards know: one of them has the data of an older backup. Stop every process of this installation, run "meterline shard restored <place>" for the shard that was restored, then start this process again.`,
  )
}

/** The places that a server knows: its own, and the first server those of all, in their order. Throws StoreError. */
export function readPinned(lane: Lane): Promise<(Place & { readonly installation: string })[]> {
  return lane.query(pinnedPlaces, {})
}

const daysThatWentBack = defineQuery({
  name: 'days_that_went_back',
  sql: 'SELECT usage_date AS day FROM usage_days_v1 WHERE kept > changes ORDER BY day LIMIT 1',
  params: z.object({}),
  row: z.object({ day: z.string() }),
})

const pinnedPlaces = defineQuery({
  name: 'pinned_places',
  sql: 'SELECT DISTINCT shard, shards, installation FROM shards_v1 ORDER BY shard',
  params: z.object({}),
  row: z.object({ shard: z.number(), shards: z.number(), installation: z.string() }),
})
