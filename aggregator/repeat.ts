import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../metering/logger.ts'

export interface BackgroundJob {
  readonly name: string
  /** The pause between two runs. A run that took long is followed by a longer one, so that work keeps to its share of the store. */
  readonly everyMs: number
  run(signal: AbortSignal): Promise<void>
  readonly logger: Logger
}

export interface RunningJob {
  stats(): RepeatStats
  /** Waits for the run in progress. */
  stop(): Promise<void>
}

export interface RepeatStats {
  readonly name: string
  readonly runs: number
  readonly failures: number
  /** When the last run that succeeded ended, in ms since 1970; 0 before. */
  readonly lastSuccessMs: number
  readonly lastSeconds: number
}

/** Runs work again and again until it is stopped. A run that fails is told and tried again: nothing here is lost by waiting. */
export function repeat({ name, everyMs, run, logger }: BackgroundJob): RunningJob {
  const stats = { name, runs: 0, failures: 0, lastSuccessMs: 0, lastSeconds: 0 }
  const stopping = new AbortController()
  const { signal } = stopping
  const loop = async () => {
    while (!signal.aborted) {
      const beganMs = Date.now()
      try {
        await run(signal)
        stats.runs += 1
        stats.lastSuccessMs = Date.now()
      } catch (error) {
        stats.failures += 1
        if (!signal.aborted) logger.error({ err: error, work: name }, 'background work failed; it is tried again')
      }
      const tookMs = Date.now() - beganMs
      stats.lastSeconds = tookMs / 1000
      await sleep(Math.max(everyMs, tookMs * REST_RATIO), undefined, { signal }).catch(() => {})
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

/** Of the time of one worker, background work takes at most a quarter. */
const REST_RATIO = 3
