import { type Clock, systemClock } from '../clock.ts'
import type { PeakMetric } from '../event.ts'
import type { Fetch } from '../post-over-http.ts'
import type { Collection, Sample, SourceFailure } from './collection.ts'
import { levelSample } from './project-sizes.ts'
import { readStats, type Stats, type StatsSource } from './read-stats.ts'

export interface PlatformOptions {
  readonly sources: readonly StatsSource[]
  /** The end of the last hour whose calls were collected for this project; undefined: collect the last hour only. */
  readonly countedThroughMs?: ((projectId: string) => number | undefined) | undefined
  /** The length of the slots of sizes. */
  readonly slotMs: number
  /** An hour is asked for when it has been over for this long (5 minutes), so that the platform has counted all of it. */
  readonly settleMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly fetch?: Fetch | undefined
  readonly signal?: AbortSignal | undefined
}

export interface PlatformCollection extends Collection {
  /** By project: where the next collection of calls begins, ms since 1970. All hours before it, since the beginning, were collected. */
  readonly countedThroughMs: ReadonlyMap<string, number>
}

const HOUR_MS = 3_600_000
const SETTLE_MS = 300_000
/** One collection asks for at most this many hours of a project (a month); the next one goes on from there. */
const HOURS_MAX = 744
const SOURCES_AT_ONCE = 8

/**
 * Samples `GET /api/usage/stats` of each project: the calls of each hour since the last collection, and the sizes of now, which cannot be asked
 * for the past. A source that fails has a failure; the others go on. Never rejects.
 */
export async function collectPlatformStats(options: PlatformOptions): Promise<PlatformCollection> {
  const samples: Sample[] = []
  const failures: SourceFailure[] = []
  const countedThroughMs = new Map<string, number>()
  const waiting = [...options.sources]
  const work = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
      const found = await collectSource(source, options)
      samples.push(...found.samples)
      if (found.failure !== undefined) failures.push({ source: source.project_id, ...found.failure })
      countedThroughMs.set(source.project_id, found.throughMs)
    }
  }
  await Promise.all(Array.from({ length: SOURCES_AT_ONCE }, work))
  return { samples, failures, ignored: [], countedThroughMs }
}

interface Found {
  readonly samples: readonly Sample[]
  readonly failure: Omit<SourceFailure, 'source'> | undefined
  readonly throughMs: number
}

async function collectSource(source: StatsSource, options: PlatformOptions): Promise<Found> {
  const { clock = systemClock, settleMs = SETTLE_MS, slotMs, countedThroughMs } = options
  const endMs = Math.floor((clock.now() - settleMs) / HOUR_MS) * HOUR_MS
  const lastMs = endMs - HOUR_MS
  const samples: Sample[] = []
  const counted = countedThroughMs?.(source.project_id)
  // Without an answer the next collection begins with the last hour.
  let throughMs = counted ?? lastMs
  try {
    // The last hour first: its answer has the sizes of now, even if the platform has no answer for older hours.
    const last = await readStats(source, { startMs: lastMs, endMs }, options)
    samples.push(...sizesOf(source.project_id, last, { slotMs, nowMs: clock.now() }), ...callsOf(source.project_id, last, lastMs))
    const firstMs = Math.min(counted ?? lastMs, lastMs)
    const hours = Math.min((lastMs - firstMs) / HOUR_MS, HOURS_MAX)
    for (let hour = 0; hour < hours; hour += 1) {
      const startMs = firstMs + hour * HOUR_MS
      samples.push(...callsOf(source.project_id, await readStats(source, { startMs, endMs: startMs + HOUR_MS }, options), startMs))
      throughMs = startMs + HOUR_MS
    }
    if (hours < HOURS_MAX) throughMs = Math.max(endMs, throughMs)
    return { samples, failure: undefined, throughMs }
  } catch (error) {
    const failure = {
      message: error instanceof Error ? error.message : String(error),
      next: 'Correct it and collect again: calls of past hours are asked for.',
    }
    return { samples, failure, throughMs }
  }
}

function sizesOf(project_id: string, stats: Stats, at: { slotMs: number; nowMs: number }): Sample[] {
  const sizes: readonly (readonly [PeakMetric, bigint])[] = [
    ['database_size_bytes', stats.database_size_bytes],
    ['file_storage_bytes', stats.storage_size_bytes],
  ]
  return sizes.map(([metric, bytes]) => levelSample({ project_id, metric, bytes, ...at }))
}

/** An hour without calls has no event. */
function callsOf(project_id: string, { mcp_usage_count }: Stats, startMs: number): Sample[] {
  if (mcp_usage_count === 0n) return []
  const timestamp = new Date(startMs).toISOString()
  return [{ event_id: `stats/mcp_calls/${HOUR_MS}/${timestamp}`, project_id, metric: 'mcp_calls', value: String(mcp_usage_count), timestamp }]
}
