import { createHmac } from 'node:crypto'
import { type CallLimits, type CallOutcome, type CallTarget, callUrl } from './call-url.ts'

export interface WebhookTarget extends CallTarget {
  /** Every key signs, so that the receiver may have the old or the new secret while they are exchanged. */
  readonly keys: readonly SigningKey[]
}

export interface WebhookMessage {
  /** The same at every attempt, so that the receiver can detect duplicates: 1 to 128 of A-Z a-z 0-9 _ -. */
  readonly id: string
  /** The time of this attempt in whole seconds since 1970: receivers reject messages that are some minutes old. */
  readonly timestampS: number
  /** JSON. Exactly these bytes are signed and sent. */
  readonly body: Buffer
}

/** Only `delivered` and `refused` are certain. After `timed_out` and `no_answer` the receiver may have acted: retry with the same id. */
export type WebhookOutcome =
  | Exclude<CallOutcome, { status: 'answered' }>
  | { readonly status: 'delivered' }
  /** Any status but 2xx. Redirects are not followed: they could lead to an address that the URL itself may not. */
  | { readonly status: 'failed'; readonly reason: 'http_status'; readonly httpStatus: number; readonly retryAfterMs: number | undefined }

export type WebhookLimits = CallLimits

/**
 * Sends a message once, according to Standard Webhooks 1.0.0 (POST; headers webhook-id, webhook-timestamp,
 * webhook-signature), if public-address.ts allows the address. Does not follow redirects and leaves no connection open; deliver-until-acknowledged.ts
 * retries. Throws RangeError for an id or a time that cannot be signed, and nothing else: failures are outcomes.
 */
export function sendWebhook(target: WebhookTarget, message: WebhookMessage, limits: WebhookLimits = WEBHOOK_LIMITS): Promise<WebhookOutcome> {
  const headers = headersOf(message, target.keys)
  return callUrl(target, { method: 'POST', headers, body: message.body }, limits).then((outcome) =>
    outcome.status === 'answered' ? outcomeOfAnswer(outcome) : outcome,
  )
}

/** The bytes of one `whsec_` secret. */
export type SigningKey = Buffer & { readonly __brand: 'SigningKey' }

/** Parses one to five secrets `whsec_<base64 of 24 to 64 bytes>`, separated by commas; undefined when one of them is invalid. */
export function parseSigningKeys(text: string): SigningKey[] | undefined {
  const keys = text.split(',').map((secret) => signingKeyFrom(secret.trim()))
  return keys.length <= SIGNING_KEYS_MAX && keys.every((key) => key !== undefined) ? keys : undefined
}

/** The value of the header webhook-signature: one signature for each key, over "id.timestamp.body". */
export function signaturesOf({ id, timestampS, body }: WebhookMessage, keys: readonly SigningKey[]): string {
  const signatureOf = (key: SigningKey) => createHmac('sha256', key).update(`${id}.${timestampS}.`).update(body).digest('base64')
  return keys.map((key) => `v1,${signatureOf(key)}`).join(' ')
}

function headersOf(message: WebhookMessage, keys: readonly SigningKey[]): Record<string, string | number> {
  // If these contained a dot, the signature of one message would also be valid for another id and time.
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(message.id)) throw new RangeError('The id of a webhook must be 1 to 128 of the characters A-Z a-z 0-9 _ -.')
  if (!Number.isSafeInteger(message.timestampS)) throw new RangeError('The time of a webhook must be whole seconds since 1970.')
  return {
    'content-type': 'application/json',
    'content-length': message.body.length,
    'user-agent': 'Meterline',
    'webhook-id': message.id,
    'webhook-timestamp': message.timestampS,
    'webhook-signature': signaturesOf(message, keys),
  }
}

function outcomeOfAnswer({ httpStatus, retryAfterMs }: Extract<CallOutcome, { status: 'answered' }>): WebhookOutcome {
  if (httpStatus >= 200 && httpStatus < 300) return { status: 'delivered' }
  return { status: 'failed', reason: 'http_status', httpStatus, retryAfterMs }
}

function signingKeyFrom(secret: string): SigningKey | undefined {
  if (!secret.startsWith(SECRET_PREFIX)) return undefined
  const base64 = secret.slice(SECRET_PREFIX.length)
  const key = Buffer.from(base64, 'base64')
  // Buffer ignores characters that are not base64, and would sign with a shorter key than the receiver has.
  if (key.toString('base64') !== base64 || key.length < SECRET_BYTES_MIN || key.length > SECRET_BYTES_MAX) return undefined
  return key as SigningKey
}

/** Standard Webhooks recommends a time-out of 15 to 30 seconds. */
const WEBHOOK_LIMITS: WebhookLimits = { timeoutMs: 15_000, responseBytesMax: 65_536 }
const SECRET_PREFIX = 'whsec_'
const SECRET_BYTES_MIN = 24
const SECRET_BYTES_MAX = 64
const SIGNING_KEYS_MAX = 5
