import type { Random } from '../support/random.ts'
import type { Acknowledged } from './acknowledged.ts'
import { afterMs } from './clock.ts'
import type { GeneratedRecord, RecordGenerator } from './generate-records.ts'

export interface EmitHttpOptions {
  readonly generator: RecordGenerator
  readonly random: Random
  readonly acknowledged: Acknowledged
  readonly ingestKey: string
  /** The URLs of the api processes that listen now. */
  urls(): readonly string[]
  ending(): boolean
}

const BATCH_RECORDS = 60
const EVERY_MS = 150
const REQUEST_MS_MAX = 20_000

/** Sends NDJSON to a random api process, and repeats each request until one answers 202. */
export async function emitOverHttp(options: EmitHttpOptions): Promise<void> {
  const { generator, acknowledged, ending } = options
  while (!ending()) {
    const records = generator.records(BATCH_RECORDS).filter(({ value }) => value !== null && value !== '')
    for (;;) {
      const accepted = await send(records, options)
      if (accepted !== undefined) {
        acknowledged.add('http', accepted)
        break
      }
      acknowledged.countRetry('http')
      await afterMs(500)
    }
    await afterMs(EVERY_MS)
  }
}

/** Returns the acknowledged records; undefined if the request was not acknowledged. */
async function send(records: readonly GeneratedRecord[], { urls, random, ingestKey }: EmitHttpOptions): Promise<GeneratedRecord[] | undefined> {
  const listening = urls()
  if (listening.length === 0) return undefined
  try {
    const response = await fetch(new URL('/v1/events', random.pick(listening)), {
      method: 'POST',
      headers: { authorization: `Bearer ${ingestKey}`, 'content-type': 'application/x-ndjson' },
      body: records.map(({ value }) => value).join('\n'),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
    const text = await response.text()
    if (response.status !== 202) {
      if (response.status < 500) throw new UnexpectedAnswer(`POST /v1/events answered ${response.status}: ${text.slice(0, 300)}`)
      return undefined
    }
    const { rejected } = JSON.parse(text) as { rejected: { index: number }[] }
    const rejectedIndexes = new Set(rejected.map(({ index }) => index))
    return records.filter((_, index) => !rejectedIndexes.has(index))
  } catch (error) {
    if (error instanceof UnexpectedAnswer) throw error
    return undefined // the connection broke, so the outcome is unknown
  }
}

class UnexpectedAnswer extends Error {}
