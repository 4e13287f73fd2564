import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

export interface Replay {
  readonly id: string
  readonly log: string
  readonly fromOffset: number
}

/** Requests that the owner of a log reads it again from an offset. Throws StoreError. */
export async function requestReplay(lane: Lane, { log, fromOffset }: Omit<Replay, 'id'>): Promise<Replay> {
  const replay = { id: randomUUID(), log, fromOffset }
  await write(lane, replay, { revision: 1, begunMs: null })
  return replay
}

/** The replays of these logs that have not begun. Throws StoreError. */
export async function findReplays(lane: Lane, logs: readonly string[]): Promise<Replay[]> {
  if (logs.length === 0) return []
  return lane.query(waitingReplays, { logs: [...logs] })
}

/** Marks a replay as begun. A crash before it: the replay begins again, which counts nothing twice. */
export function finishReplay(lane: Lane, replay: Replay): Promise<void> {
  return write(lane, replay, { revision: 2, begunMs: Date.now() })
}

function write(lane: Lane, { id, log, fromOffset }: Replay, { revision, begunMs }: { revision: number; begunMs: number | null }): Promise<void> {
  const time = (ms: number) => (ms / 1000).toFixed(3)
  return lane.insert({
    table: 'log_replays_v1',
    columns: ['id', 'revision', 'log', 'from_offset', 'requested_at', 'begun_at'],
    text: row([id, revision, log, fromOffset, time(Date.now()), begunMs === null ? null : time(begunMs)]),
  })
}

const waitingReplays = defineQuery({
  name: 'waiting_replays',
  sql: `SELECT id, log, from_offset AS fromOffset FROM log_replays_v1 FINAL WHERE log IN {logs: Array(String)} AND begun_at IS NULL ORDER BY requested_at`,
  params: z.object({ logs: z.array(z.string()) }),
  row: z.object({ id: z.string(), log: z.string(), fromOffset: z.coerce.number() }),
})
