import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../metering/logger.ts'

export interface BackgroundJob {
  readonly name: string
  /** The pause between two runs. It is longer after a long run, so that the job keeps to its share of the store. */
  readonly everyMs: number
  run(signal: AbortSignal): Promise<void>
  readonly logger: Logger
}

export interface RunningJob {
  stats(): JobStats
  /** Waits for the run in progress. */
  stop(): Promise<void>
}

export interface JobStats {
  readonly name: string
  /** The pause between two runs, if they are short. */
  readonly everySeconds: number
  /** Runs that succeeded. */
  readonly runs: number
  readonly failures: number
  /** When the last successful run ended, in ms since 1970; 0 before the first. */
  readonly lastSuccessMs: number
  readonly lastSeconds: number
}

/** Runs a job repeatedly until it is stopped. A failed run is logged and retried after the pause; no data is lost by waiting. */
export function repeat({ name, everyMs, run, logger }: BackgroundJob): RunningJob {
  const stats = { name, everySeconds: everyMs / 1000, runs: 0, failures: 0, lastSuccessMs: 0, lastSeconds: 0 }
  const stopping = new AbortController()
  const { signal } = stopping
  const loop = async () => {
    while (!signal.aborted) {
      // Monotonic: if the host's clock were set ahead during a run, the job would pause for a multiple of the step.
      const startedMs = performance.now()
      try {
        await run(signal)
        stats.runs += 1
        stats.lastSuccessMs = Date.now()
      } catch (error) {
        stats.failures += 1
        if (!signal.aborted) logger.error({ err: error, work: name }, 'a background job failed; it will be retried')
      }
      const tookMs = performance.now() - startedMs
      stats.lastSeconds = tookMs / 1000
      await sleep(Math.max(everyMs, Math.min(tookMs * PAUSE_PER_RUN, PAUSE_AFTER_RUN_MS_MAX)), undefined, { signal }).catch(() => {})
    }
  }
  const running = loop()
  return {
    stats: () => ({ ...stats }),
    stop: () => {
      stopping.abort()
      return running
    },
  }
}

/** A job pauses three times as long as it ran, so it takes at most a quarter of the time of one thread, up to some minutes. */
const PAUSE_PER_RUN = 3
/** After the longest run: closings and audits must not wait for hours, as after a run that was suspended with its machine. */
const PAUSE_AFTER_RUN_MS_MAX = 5 * 60_000
