import type { Logger } from '../metering/logger.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { refreshPartnershipDays } from './refresh-partnership-days.ts'
import { type RepeatStats, repeat } from './repeat.ts'

export interface AggregatingOptions {
  readonly clickhouse: ClickHouse
  readonly log: Logger
}

/** What goes on by itself: partnership days are kept fresh. Any number of processes may do it at once. */
export interface Aggregating {
  stats(): readonly RepeatStats[]
  /** Ends what has begun. */
  stop(): Promise<void>
}

export async function startAggregating({ clickhouse, log }: AggregatingOptions): Promise<Aggregating> {
  const lane = await clickhouse.openLane()
  const works = [
    repeat({
      name: 'partnership_days',
      everyMs: REFRESH_EVERY_MS,
      run: async () => {
        await refreshPartnershipDays(clickhouse, lane)
      },
      log,
    }),
  ]
  return {
    stats: () => works.map((work) => work.stats()),
    stop: async () => {
      await Promise.all(works.map((work) => work.stop()))
    },
  }
}

const REFRESH_EVERY_MS = 1_000
