import { decodeEvent } from '../ingest/event/decode-body.ts'
import { validateEvent } from '../ingest/event/pipeline.ts'
import { type HttpLog, openHttpLog } from '../ingest/http/http-log.ts'
import { openClickHouse } from '../sql/clickhouse.ts'
import { makeEvent } from './made-events.ts'

export interface StartFigures {
  /** From the opening of the store until the log accepts events, with a range in doubt to reconcile. */
  readonly openSeconds: number
  /** From the opening of the store until the filter is complete, beside a full load. */
  readonly filterSeconds: number
  readonly eventsPerSecondBefore: number
  readonly eventsPerSecondAfter: number
  /** From the opening of the store until the rate of one second reaches 0.9 of the later one. */
  readonly fullSpeedSeconds: number
}

const WINDOW_MS = 500
const AFTER_MS = 8_000
const SUBMISSION_EVENTS = 5_000
const SUBMISSIONS = 4

/** Starts the log on a store with events, and sends it new events as fast as it takes them, from the first moment on. */
export async function measureStart(directory: string): Promise<StartFigures> {
  const startedMs = performance.now()
  const clickhouse = await openClickHouse({ engine: 'embedded', directory })
  try {
    const log = await openHttpLog({ clickhouse, logger: { info: () => {}, warn: () => {}, error: () => {} }, onLost: () => {} })
    const openMs = performance.now() - startedMs
    const acknowledged: { readonly atMs: number; readonly events: number }[] = []
    let [next, ended, filterMs] = [0, false, Number.POSITIVE_INFINITY]
    const send = async () => {
      while (!ended) {
        const first = next
        next += SUBMISSION_EVENTS
        await submit(log, first)
        const atMs = performance.now() - startedMs
        acknowledged.push({ atMs, events: SUBMISSION_EVENTS })
        if (log.stats().logs[0]?.filterComplete === true) filterMs = Math.min(filterMs, atMs)
        ended = atMs > filterMs + AFTER_MS
      }
    }
    await Promise.all(Array.from({ length: SUBMISSIONS }, send))
    await log.stop()
    const rate = (fromMs: number, toMs: number) =>
      (acknowledged.filter(({ atMs }) => atMs > fromMs && atMs <= toMs).reduce((sum, { events }) => sum + events, 0) / (toMs - fromMs)) * 1000
    const after = rate(filterMs + 1_000, filterMs + AFTER_MS)
    let fullSpeedMs = openMs
    while (rate(fullSpeedMs, fullSpeedMs + 2 * WINDOW_MS) < 0.9 * after && fullSpeedMs < filterMs + AFTER_MS) fullSpeedMs += WINDOW_MS
    return {
      openSeconds: openMs / 1000,
      filterSeconds: filterMs / 1000,
      eventsPerSecondBefore: rate(openMs, Math.max(filterMs, openMs + WINDOW_MS)),
      eventsPerSecondAfter: after,
      fullSpeedSeconds: fullSpeedMs / 1000,
    }
  } finally {
    await clickhouse.close()
  }
}

async function submit(log: HttpLog, first: number): Promise<void> {
  const receivedMs = Date.now()
  const validated = Array.from({ length: SUBMISSION_EVENTS }, (_, index) =>
    validateEvent(decodeEvent(Buffer.from(JSON.stringify(makeEvent(first + index)), 'utf8')), { receivedMs, allowedProjects: 'all' }),
  )
  const verdicts = await log.submit({ validated, ingestKeyId: 'bench', receivedMs, bytes: 0 })
  if (verdicts.some(({ status }) => status !== 'counted')) throw new Error('A new event was not counted.')
}
