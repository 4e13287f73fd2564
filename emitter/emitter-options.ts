import type { Clock } from './clock.ts'
import { BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX } from './event.ts'
import type { OpenStore } from './event-store.ts'
import type { Hooks } from './hooks.ts'
import type { Post } from './post.ts'
import type { Fetch } from './post-over-http.ts'

/** Where events go: over HTTP, or to Kafka. */
export type Destination =
  | {
      /** Where the service is reached, for example https://meterline.example.com. */
      readonly url: string
      /** The ingest key. */
      readonly key: string
      readonly kafka?: undefined
    }
  /** What kafkaTopic() of @meterline/emitter/kafka returns. */
  | { readonly kafka: Post; readonly url?: undefined; readonly key?: undefined }

export interface Limits {
  /** A batch is sent when it has this many events (1,000; at most 10,000), */
  readonly batchEventsMax: number
  /** or when its body has this many bytes (1 MiB; at most 10 MiB), */
  readonly batchBytesMax: number
  /** or when its oldest event has waited this long (1,000 ms). */
  readonly batchAgeMs: number
  /** Requests in progress at the same time (2). */
  readonly requestsMax: number
  /** Events in memory, those being sent included (100,000). The event that does not fit is dropped, and reported to onDropped. */
  readonly bufferEventsMax: number
  /** Their bytes as JSON (32 MiB). Such an event takes about 100 bytes more in memory. */
  readonly bufferBytesMax: number
  /** One request may take this long (30,000 ms). */
  readonly attemptTimeoutMs: number
  /** After an answer that only a person can change, such as 401 for a revoked key, the next attempt waits this long (60,000 ms). */
  readonly refusedRetryMs: number
  /** How long add() sums before it emits (10,000 ms). */
  readonly sumEveryMs: number
  /** Pairs of project and metric that are summed at the same time (10,000). With one more, all sums are emitted early. */
  readonly sumPairsMax: number
}

interface Surroundings {
  /** Keeps events on disk until they are acknowledged: what diskSpool() of @meterline/emitter/spool returns. */
  readonly spool?: OpenStore | undefined
  /** Keeps a serverless function alive until what it emitted is delivered, for example `(promise) => ctx.waitUntil(promise)`. */
  readonly waitUntil?: ((promise: Promise<void>) => void) | undefined
  readonly fetch?: Fetch | undefined
  readonly clock?: Clock | undefined
  /** From 0 to 1, for the jitter of delays. */
  readonly random?: (() => number) | undefined
}

type Settings = { readonly [Name in keyof Limits]?: Limits[Name] | undefined }

export type EmitterOptions = Destination & Settings & Hooks & Surroundings

const DEFAULTS: Limits = {
  batchEventsMax: 1_000,
  batchBytesMax: 1024 ** 2,
  batchAgeMs: 1_000,
  requestsMax: 2,
  bufferEventsMax: 100_000,
  bufferBytesMax: 32 * 1024 ** 2,
  attemptTimeoutMs: 30_000,
  refusedRetryMs: 60_000,
  sumEveryMs: 10_000,
  sumPairsMax: 10_000,
}
const GREATEST: Partial<Limits> = { batchEventsMax: EVENTS_PER_REQUEST_MAX, batchBytesMax: BODY_BYTES_MAX }
/** A timer of more than 2^31 ms would fire immediately, again and again. */
const TIME_MS_MAX = 86_400_000

/** The limits with their defaults. Throws TypeError for a value that makes no sense. */
export function requireLimits(options: Settings): Limits {
  const names = Object.keys(DEFAULTS) as (keyof Limits)[]
  return Object.fromEntries(names.map((name) => [name, requireLimit(name, options[name] ?? DEFAULTS[name])])) as unknown as Limits
}

function requireLimit(name: keyof Limits, value: number): number {
  const least = name === 'batchAgeMs' ? 0 : 1
  const greatest = GREATEST[name] ?? (name.endsWith('Ms') ? TIME_MS_MAX : Number.MAX_SAFE_INTEGER)
  if (Number.isSafeInteger(value) && value >= least && value <= greatest) return value
  throw new TypeError(`${name} must be a whole number from ${least} to ${greatest}, not ${value}.`)
}

/** Throws TypeError, because without them no event could ever be sent. */
export function requireUrlAndKey({ url, key }: { url?: unknown; key?: unknown }): { url: string; key: string } {
  if (typeof url !== 'string' || !/^https?:\/\/[^/]/.test(url))
    throw new TypeError('url must be the address of the service, such as https://meterline.example.com.')
  if (typeof key !== 'string' || key === '') throw new TypeError('key must be an ingest key.')
  return { url, key }
}
