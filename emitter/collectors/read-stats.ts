import { type Clock, sleep, systemClock } from '../clock.ts'
import type { Fetch } from '../post-over-http.ts'
import { readRetryAfterMs, retryDelayMs } from '../retry-delay.ts'

/** The backend of one project. */
export interface StatsSource {
  readonly project_id: string
  /** Where it is reached, for example https://abc.eu.example.com. */
  readonly url: string
  /** The headers that authenticate; read for each collection, so that a token that is replaced in its file is used. Throws if there are none. */
  readonly headers: () => Readonly<Record<string, string>>
}

/** The answer of `GET /api/usage/stats`. */
export interface Stats {
  /** Successful calls from start_date (inclusive) to end_date (exclusive). */
  readonly mcp_usage_count: bigint
  /** Sizes of now, whatever the dates are. */
  readonly database_size_bytes: bigint
  readonly storage_size_bytes: bigint
}

interface Hour {
  readonly startMs: number
  readonly endMs: number
}

interface ReadOptions {
  readonly clock?: Clock | undefined
  readonly fetch?: Fetch | undefined
  readonly signal?: AbortSignal | undefined
}

const ATTEMPTS_MAX = 3
const TIMEOUT_MS = 30_000
const RETRY_AFTER_MS_MAX = 30_000
const BODY_CHARACTERS_MAX = 64 * 1024

/** Asks for the stats of an hour, up to three times. Throws Error if there is no answer, or one that is not these stats. */
export async function readStats(source: StatsSource, hour: Hour, options: ReadOptions): Promise<Stats> {
  const { clock = systemClock, signal } = options
  for (let attempt = 1; ; attempt += 1) {
    const result = await request(source, hour, options)
    if ('stats' in result) return result.stats
    if (attempt === ATTEMPTS_MAX || !result.mayRetry || signal?.aborted === true) throw new Error(result.message)
    const retryAfterMs = Math.min(result.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX)
    await sleep(clock, retryDelayMs({ attempt, retryAfterMs, random: Math.random() }), signal)
  }
}

type Result = { readonly stats: Stats } | { readonly message: string; readonly mayRetry: boolean; readonly retryAfterMs?: number | undefined }

async function request({ url, headers }: StatsSource, { startMs, endMs }: Hour, options: ReadOptions): Promise<Result> {
  const { clock = systemClock, fetch: send = (to, init) => fetch(to, init), signal } = options
  const query = new URLSearchParams({ start_date: new Date(startMs).toISOString(), end_date: new Date(endMs).toISOString() })
  const authentication = headers()
  const attempt = new AbortController()
  const abort = () => attempt.abort()
  const timer = clock.setTimeout(abort, TIMEOUT_MS)
  signal?.addEventListener('abort', abort)
  try {
    // A redirect would send the token to another place.
    const response = await send(`${url.replace(/\/+$/, '')}/api/usage/stats?${query}`, {
      headers: { accept: 'application/json', ...authentication },
      redirect: 'manual',
      signal: attempt.signal,
    })
    const text = await response.text()
    if (response.status === 200) return parseStats(text)
    const mayRetry = response.status === 408 || response.status === 429 || response.status >= 500
    return {
      message: `The platform answered with status ${response.status}.`,
      mayRetry,
      retryAfterMs: readRetryAfterMs(response.headers.get('retry-after'), clock.now()),
    }
  } catch (error) {
    const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const message = attempt.signal.aborted
      ? 'The platform did not answer in time.'
      : `The platform did not answer (${inner instanceof Error ? inner.message : String(inner)}).`
    return { message, mayRetry: true }
  } finally {
    clock.clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function parseStats(text: string): Result {
  let answer: unknown
  try {
    answer = text.length > BODY_CHARACTERS_MAX ? undefined : JSON.parse(text)
  } catch {
    answer = undefined
  }
  if (typeof answer !== 'object' || answer === null) return { message: 'The answer of the platform is not a JSON object.', mayRetry: false }
  const stats: Record<string, bigint> = {}
  for (const name of ['mcp_usage_count', 'database_size_bytes', 'storage_size_bytes']) {
    const value = parseWhole((answer as Record<string, unknown>)[name])
    if (value === undefined) return { message: `The answer of the platform has no whole number "${name}".`, mayRetry: false }
    stats[name] = value
  }
  return { stats: stats as unknown as Stats }
}

/** Counters of SQL often come as text. */
function parseWhole(value: unknown): bigint | undefined {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return undefined
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : ''
  return /^\d{1,29}$/.test(text) ? BigInt(text) : undefined
}
