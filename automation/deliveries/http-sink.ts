import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { callWithRetries, type RetryLimits } from '../../outgoing/call-with-retries.ts'
import type { Networks, Resolve } from '../../outgoing/public-address.ts'
import { outcomeOfCall } from '../schedules/run-outcome.ts'
import { nameTarget } from './object-url.ts'
import type { DeliveredObject, PutOutcome, Sink } from './sink.ts'

export interface HttpSinkOptions {
  /** With {name}, or the place that names are appended to. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly runId: string
  readonly allowed: Networks
  readonly resolve?: Resolve | undefined
  readonly signal: AbortSignal
  readonly limits?: Partial<RetryLimits> | undefined
}

const UPLOAD_LIMITS: RetryLimits = { attemptsMax: 5, timeoutMs: 600_000, responseBytesMax: 65_536, retryMsFirst: 1_000, retryMsMax: 30_000 }

/** Delivers with PUT. The name of an object contains the hash of its bytes, so sending it again changes nothing. */
export class HttpSink implements Sink {
  readonly #options: HttpSinkOptions

  constructor(options: HttpSinkOptions) {
    this.#options = options
  }

  async put({ name, contentType, file, bytes }: DeliveredObject): Promise<PutOutcome> {
    const { allowed, resolve, signal, runId } = this.#options
    const url = nameTarget(this.#options.url, name)
    if (url === undefined) return { status: 'failed', statusCode: null, reason: 'The url is not an https URL.' }
    // A run sends several objects; with one id for all, a receiver would take the second one for a repetition of the first.
    const id = `${runId}-${createHash('sha256').update(name).digest('hex').slice(0, ID_DIGITS)}`
    const headers = {
      'user-agent': 'Meterline',
      'content-type': contentType,
      ...this.#options.headers,
      'content-length': bytes,
      'webhook-id': id,
      'idempotency-key': id,
    }
    const limits = { ...UPLOAD_LIMITS, ...this.#options.limits }
    const retried = await callWithRetries({ url, allowed, resolve }, () => ({ method: 'PUT', headers, body: createReadStream(file), signal }), {
      limits,
      signal,
    })
    const outcome = outcomeOfCall(retried, limits)
    if (outcome.status === 'succeeded') return { status: 'stored' }
    return outcome.status === 'stopped' ? outcome : { status: 'failed', statusCode: outcome.statusCode, reason: outcome.message }
  }
}

const ID_DIGITS = 16
