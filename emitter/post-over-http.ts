import { type Clock, systemClock } from './clock.ts'
import type { Post, PostResult, RejectedInRequest } from './post.ts'
import { readRetryAfterMs } from './retry-delay.ts'

/** The part of fetch that the emitter uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface HttpOptions {
  /** Where the service is reached, for example https://meterline.example.com; with a path, if it is behind a prefix. */
  readonly url: string
  /** The ingest key. */
  readonly key: string
  /** One request may take this long; 30,000 by default. */
  readonly attemptTimeoutMs?: number | undefined
  readonly fetch?: Fetch | undefined
  readonly clock?: Clock | undefined
}

/** Sends events to POST /v1/events, one request per attempt. */
export function postOverHttp({ url, key, attemptTimeoutMs = 30_000, clock = systemClock, fetch: send = (to, init) => fetch(to, init) }: HttpOptions): Post {
  const target = `${url.replace(/\/+$/, '')}/v1/events`
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return async (texts, signal) => {
    const attempt = new AbortController()
    const abort = () => attempt.abort()
    const timer = clock.setTimeout(abort, attemptTimeoutMs)
    signal?.addEventListener('abort', abort)
    try {
      // A redirect would turn the POST into a GET without a body.
      const response = await send(target, { method: 'POST', headers, body: `[${texts.join(',')}]`, signal: attempt.signal, redirect: 'manual' })
      return resultOf(response, await response.text(), { events: texts.length, nowMs: clock.now() })
    } catch (error) {
      const message = attempt.signal.aborted ? `There was no answer within ${attemptTimeoutMs} ms.` : `There was no answer (${describe(error)}).`
      return { status: 'try_again', httpStatus: undefined, message, retryAfterMs: undefined }
    } finally {
      clock.clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }
}

function resultOf(response: Response, text: string, { events, nowMs }: { events: number; nowMs: number }): PostResult {
  const { status: httpStatus } = response
  const answer = parseObject(text)
  if (response.ok) {
    // Whatever else answers 200, such as the login page of a network, has not stored these events.
    if (isAnswerFor(events, answer)) return { status: 'answered', accepted: answer.accepted, duplicates: answer.duplicates, rejected: answer.rejected }
    return { status: 'refused', httpStatus, code: undefined, message: 'The answer is not from Meterline: it does not count these events. Check the URL.' }
  }
  const code = typeof answer['code'] === 'string' ? answer['code'] : undefined
  const message = typeof answer['message'] === 'string' ? answer['message'] : `The answer had status ${httpStatus}.`
  if (httpStatus === 413) return { status: 'too_large', message }
  if (httpStatus !== 408 && httpStatus !== 429 && httpStatus < 500) return { status: 'refused', httpStatus, code, message }
  return { status: 'try_again', httpStatus, message, retryAfterMs: readRetryAfterMs(response.headers.get('retry-after'), nowMs) }
}

interface Answer {
  readonly accepted: number
  readonly duplicates: number | undefined
  readonly rejected: readonly RejectedInRequest[]
}

function isAnswerFor(events: number, answer: object): answer is Answer {
  const { accepted, duplicates = 0, rejected } = answer as Partial<Answer>
  if (!Array.isArray(rejected) || !rejected.every(({ index }) => Number.isInteger(index) && index >= 0 && index < events)) return false
  return typeof accepted === 'number' && accepted + duplicates + rejected.length === events
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** Node's fetch puts the reason into `cause`. */
function describe(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}
