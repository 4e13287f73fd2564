import { createHmac } from 'node:crypto'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { AddressRefused, type CallableUrl, forbiddenLiteral, guardedLookup, type Networks, type Resolve } from './public-address.ts'

export interface WebhookTarget {
  readonly url: CallableUrl
  /** Each signs, so that the receiver may know the old secret or the new one while they are exchanged. */
  readonly keys: readonly SigningKey[]
  readonly allowed: Networks
  /** How names are resolved; the system's way when left out. */
  readonly resolve?: Resolve
}

export interface WebhookMessage {
  /** The same at every attempt, so that the receiver can tell a repetition: 1 to 128 of A-Z a-z 0-9 _ -. */
  readonly id: string
  /** Of this attempt, in whole seconds since 1970: receivers refuse what is some minutes old. */
  readonly timestampS: number
  /** JSON, signed and sent byte by byte as it is. */
  readonly body: Buffer
}

/** Only `delivered` and `refused` are certain. After `timed_out` and `no_answer` the receiver may have acted: the same id is sent again. */
export type WebhookOutcome =
  | { readonly status: 'delivered' }
  /** Not called: the URL leads to this address, which is neither public nor allowed; undefined when it leads to none. */
  | { readonly status: 'refused'; readonly reason: 'private_address'; readonly address: string | undefined }
  /** Anything but 2xx. A redirect is one of them: it could lead to where the URL itself may not. */
  | { readonly status: 'failed'; readonly reason: 'http_status'; readonly httpStatus: number; readonly retryAfterMs: number | undefined }
  | { readonly status: 'failed'; readonly reason: 'timed_out' }
  /** `code` is Node's (ECONNREFUSED, ENOTFOUND, CERT_HAS_EXPIRED): for the reader of the log, nothing is decided on it. */
  | { readonly status: 'failed'; readonly reason: 'no_answer'; readonly code: string | undefined }

export interface WebhookLimits {
  /** From the call to the end of the answer: look-up, connection and all. */
  readonly timeoutMs: number
  /** Of the answer's body. More is not waited for, its status counts. */
  readonly answerBytesMax: number
}

/**
 * One delivery as Standard Webhooks 1.0.0 says (POST; headers webhook-id, webhook-timestamp, webhook-signature), to an
 * address that the guard lets pass. Retries nothing, follows nothing, and leaves nothing open. What comes of it is in
 * the answer; throws RangeError only, for an id or a time that cannot be signed.
 */
export function sendWebhook(target: WebhookTarget, message: WebhookMessage, limits: WebhookLimits = WEBHOOK_LIMITS): Promise<WebhookOutcome> {
  const headers = headersOf(message, target.keys)
  const forbidden = forbiddenLiteral(target.url, target.allowed)
  if (forbidden !== undefined) return Promise.resolve({ status: 'refused', reason: 'private_address', address: forbidden })
  const deadline = AbortSignal.timeout(limits.timeoutMs)
  const request = openRequest(target, headers, deadline)
  request.end(message.body)
  return outcomeOf(request, deadline, limits.answerBytesMax)
}

/** The bytes of one `whsec_` secret. */
export type SigningKey = Buffer & { readonly __brand: 'SigningKey' }

/** One to five secrets `whsec_<base64 of 24 to 64 bytes>`, separated by commas; undefined when one of them is none. */
export function parseSigningKeys(text: string): SigningKey[] | undefined {
  const keys = text.split(',').map((secret) => signingKeyFrom(secret.trim()))
  return keys.length <= SIGNING_KEYS_MAX && keys.every((key) => key !== undefined) ? keys : undefined
}

/** The header webhook-signature: one signature for each key, over "id.timestamp.body". */
export function signaturesOf({ id, timestampS, body }: WebhookMessage, keys: readonly SigningKey[]): string {
  const signatureOf = (key: SigningKey) => createHmac('sha256', key).update(`${id}.${timestampS}.`).update(body).digest('base64')
  return keys.map((key) => `v1,${signatureOf(key)}`).join(' ')
}

function headersOf(message: WebhookMessage, keys: readonly SigningKey[]): Record<string, string | number> {
  // With a dot in them the signature of one message would be one of another, too, with another id and time.
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
  // A connection of its own, closed afterwards: one that was kept could lead to an address that was judged by other rules.
  return open(url, { method: 'POST', headers, signal, agent: false, lookup: guardedLookup(allowed, resolve), maxHeaderSize: ANSWER_HEADER_BYTES_MAX })
}

/** What came of it, once the connection is closed. Whatever breaks after a status has come, the status stands. */
function outcomeOf(request: ClientRequest, deadline: AbortSignal, answerBytesMax: number): Promise<WebhookOutcome> {
  return new Promise((resolve) => {
    let answer: IncomingMessage | undefined
    let fault: NodeJS.ErrnoException | undefined
    request.on('response', (response) => {
      answer = response
      readAtMost(response, answerBytesMax)
    })
    request.on('error', (error) => {
      fault ??= error
    })
    request.on('close', () => {
      if (answer !== undefined) resolve(outcomeOfAnswer(answer))
      else if (fault instanceof AddressRefused) resolve({ status: 'refused', reason: 'private_address', address: fault.address })
      else if (deadline.aborted) resolve({ status: 'failed', reason: 'timed_out' })
      else resolve({ status: 'failed', reason: 'no_answer', code: fault?.code })
    })
  })
}

/** Reads the body for the receiver's sake, who would otherwise see its connection broken. Nothing is done with it. */
function readAtMost(response: IncomingMessage, bytesMax: number): void {
  let bytes = 0
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > bytesMax) response.destroy()
  })
}

function outcomeOfAnswer({ statusCode, headers }: IncomingMessage): WebhookOutcome {
  // A client's answer always has one; the type is shared with a server's requests.
  const httpStatus = Number(statusCode)
  if (httpStatus >= 200 && httpStatus < 300) return { status: 'delivered' }
  const seconds = headers['retry-after'] ?? ''
  return { status: 'failed', reason: 'http_status', httpStatus, retryAfterMs: /^\d{1,9}$/.test(seconds) ? Number(seconds) * 1_000 : undefined }
}

function signingKeyFrom(secret: string): SigningKey | undefined {
  if (!secret.startsWith(SECRET_PREFIX)) return undefined
  const base64 = secret.slice(SECRET_PREFIX.length)
  const key = Buffer.from(base64, 'base64')
  // Buffer skips what is not base64, and would sign with less than the receiver has.
  if (key.toString('base64') !== base64 || key.length < SECRET_BYTES_MIN || key.length > SECRET_BYTES_MAX) return undefined
  return key as SigningKey
}

/** Standard Webhooks recommends to wait 15 to 30 seconds. */
const WEBHOOK_LIMITS: WebhookLimits = { timeoutMs: 15_000, answerBytesMax: 65_536 }
const ANSWER_HEADER_BYTES_MAX = 16_384
const SECRET_PREFIX = 'whsec_'
const SECRET_BYTES_MIN = 24
const SECRET_BYTES_MAX = 64
const SIGNING_KEYS_MAX = 5
