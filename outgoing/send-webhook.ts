import { createHmac } from 'node:crypto'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { AddressNotAllowed, type CallableUrl, forbiddenLiteral, guardedLookup, type Networks, type Resolve } from './public-address.ts'

export interface WebhookTarget {
  readonly url: CallableUrl
  /** Every key signs, so that the receiver may have the old or the new secret while they are exchanged. */
  readonly keys: readonly SigningKey[]
  readonly allowed: Networks
  /** How names are resolved. Default: by the system. */
  readonly resolve?: Resolve
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
  | { readonly status: 'delivered' }
  /** Not called: the URL leads to this address, which is neither public nor allowed; undefined when it leads to no address. */
  | { readonly status: 'refused'; readonly reason: 'private_address'; readonly address: string | undefined }
  /** Any status but 2xx. Redirects are not followed: they could lead to an address that the URL itself may not. */
  | { readonly status: 'failed'; readonly reason: 'http_status'; readonly httpStatus: number; readonly retryAfterMs: number | undefined }
  | { readonly status: 'failed'; readonly reason: 'timed_out' }
  /** `code` is Node's error code, such as ECONNREFUSED, ENOTFOUND or CERT_HAS_EXPIRED. It is only logged. */
  | { readonly status: 'failed'; readonly reason: 'no_answer'; readonly code: string | undefined }

export interface WebhookLimits {
  /** For the whole call, from the look-up of the name to the end of the response. */
  readonly timeoutMs: number
  /** A longer response body is not read; its status counts all the same. */
  readonly responseBytesMax: number
}

/**
 * Sends a message once, according to Standard Webhooks 1.0.0 (POST; headers webhook-id, webhook-timestamp,
 * webhook-signature), if public-address.ts allows the address. Does not follow redirects and leaves no connection open; deliver-until-acknowledged.ts
 * retries. Throws RangeError for an id or a time that cannot be signed, and nothing else: failures are outcomes.
 */
export function sendWebhook(target: WebhookTarget, message: WebhookMessage, limits: WebhookLimits = WEBHOOK_LIMITS): Promise<WebhookOutcome> {
  const headers = headersOf(message, target.keys)
  const forbidden = forbiddenLiteral(target.url, target.allowed)
  if (forbidden !== undefined) return Promise.resolve({ status: 'refused', reason: 'private_address', address: forbidden })
  const deadline = AbortSignal.timeout(limits.timeoutMs)
  const request = openRequest(target, headers, deadline)
  request.end(message.body)
  return outcomeOf(request, deadline, limits.responseBytesMax)
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

function openRequest({ url, allowed, resolve }: WebhookTarget, headers: Record<string, string | number>, signal: AbortSignal): ClientRequest {
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest
  // A new connection for each call: a reused one could lead to an address that was checked against other rules.
  return open(url, { method: 'POST', headers, signal, agent: false, lookup: guardedLookup(allowed, resolve), maxHeaderSize: RESPONSE_HEADER_BYTES_MAX })
}

/** The outcome, once the connection is closed. A status that was received counts, whatever fails after it. */
function outcomeOf(request: ClientRequest, deadline: AbortSignal, responseBytesMax: number): Promise<WebhookOutcome> {
  return new Promise((resolve) => {
    let received: IncomingMessage | undefined
    let fault: NodeJS.ErrnoException | undefined
    request.on('response', (response) => {
      received = response
      readAtMost(response, responseBytesMax)
    })
    request.on('error', (error) => {
      fault ??= error
    })
    request.on('close', () => {
      if (received !== undefined) resolve(outcomeOfResponse(received))
      else if (fault instanceof AddressNotAllowed) resolve({ status: 'refused', reason: 'private_address', address: fault.address })
      else if (deadline.aborted) resolve({ status: 'failed', reason: 'timed_out' })
      else resolve({ status: 'failed', reason: 'no_answer', code: fault?.code })
    })
  })
}

/** Reads and discards the body, because the receiver would otherwise see a broken connection. */
function readAtMost(response: IncomingMessage, bytesMax: number): void {
  let bytes = 0
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > bytesMax) response.destroy()
  })
}

function outcomeOfResponse({ statusCode, headers }: IncomingMessage): WebhookOutcome {
  // Always set in responses; the type is shared with requests, which have none.
  const httpStatus = Number(statusCode)
  if (httpStatus >= 200 && httpStatus < 300) return { status: 'delivered' }
  const seconds = headers['retry-after'] ?? ''
  return { status: 'failed', reason: 'http_status', httpStatus, retryAfterMs: /^\d{1,9}$/.test(seconds) ? Number(seconds) * 1_000 : undefined }
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
const RESPONSE_HEADER_BYTES_MAX = 16_384
const SECRET_PREFIX = 'whsec_'
const SECRET_BYTES_MIN = 24
const SECRET_BYTES_MAX = 64
const SIGNING_KEYS_MAX = 5
