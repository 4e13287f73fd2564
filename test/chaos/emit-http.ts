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

export interface EmitPacedOptions extends EmitHttpOptions {
  /** Waits until the next request is due. */
  nextDue(): Promise<void>
}

const BATCH_RECORDS = 60
const REQUEST_MS_MAX = 20_000

/** Sends NDJSON to a random api process, and repeats each request until one answers 202. */
export async function emitOverHttp(options: EmitPacedOptions): Promise<void> {
  const { generator, acknowledged, ending, nextDue } = options
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
    await nextDue()
  }
}

/** Sends large requests over several connections as fast as it can. The answers are not 202 only: a limit may reject them. */
export async function emitFlood(options: EmitHttpOptions): Promise<void> {
  const { generator, acknowledged, ending } = options
  const connection = async () => {
    while (!ending()) {
      const records = generator.records(FLOOD_RECORDS).filter(({ value }) => value !== null && value !== '')
      const accepted = await send(records, options, (status) => status === 429)
      if (accepted !== undefined) acknowledged.add('flood', accepted)
      else await afterMs(100)
    }
  }
  await Promise.all(Array.from({ length: FLOOD_CONNECTIONS }, connection))
}

const FLOOD_CONNECTIONS = 4
const FLOOD_RECORDS = 2_000

/** Returns the acknowledged records; undefined if the request was not acknowledged. */
async function send(
  records: readonly GeneratedRecord[],
  { urls, random, ingestKey }: EmitHttpOptions,
  mayAnswer: (status: number) => boolean = () => false,
): Promise<GeneratedRecord[] | undefined> {
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
      if (response.status < 500 && !mayAnswer(response.status)) throw new UnexpectedAnswer(`POST /v1/events answered ${response.status}: ${text.slice(0, 300)}`)
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
