import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline, type Readable } from 'node:stream'
import { AddressNotAllowed, type CallableUrl, forbiddenLiteral, guardedLookup, type Networks, type Resolve } from './public-address.ts'

export interface CallTarget {
  readonly url: CallableUrl
  readonly allowed: Networks
  /** How names are resolved. Default: by the system. */
  readonly resolve?: Resolve | undefined
}

export interface OutgoingRequest {
  readonly method: string
  /** Including content-length when there is a body. */
  readonly headers: Readonly<Record<string, string | number>>
  readonly body?: Buffer | Readable | undefined
  /** Interrupts the call, which then has no answer. */
  readonly signal?: AbortSignal | undefined
}

/** Only `answered` and `refused` are certain. After `timed_out` and `no_answer` the receiver may have acted. */
export type CallOutcome =
  | { readonly status: 'answered'; readonly httpStatus: number; readonly retryAfterMs: number | undefined }
  /** Not called: the URL leads to this address, which is neither public nor allowed; undefined when it leads to no address. */
  | { readonly status: 'refused'; readonly reason: 'private_address'; readonly address: string | undefined }
  | { readonly status: 'failed'; readonly reason: 'timed_out' }
  /** `code` is Node's error code, such as ECONNREFUSED, ENOTFOUND or CERT_HAS_EXPIRED. It is only logged. */
  | { readonly status: 'failed'; readonly reason: 'no_answer'; readonly code: string | undefined }

export interface CallLimits {
  /** For the whole call, from the look-up of the name to the end of the response. */
  readonly timeoutMs: number
  /** A longer response body is not read; its status counts all the same. */
  readonly responseBytesMax: number
}

/**
 * Calls a URL once, if public-address.ts allows the address. Does not follow redirects, which could lead to an address that the URL
 * itself may not, and leaves no connection open. Throws TypeError for a header that cannot be sent; all other failures are outcomes.
 */
export function callUrl({ url, allowed, resolve }: CallTarget, { method, headers, body, signal }: OutgoingRequest, limits: CallLimits): Promise<CallOutcome> {
  const forbidden = forbiddenLiteral(url, allowed)
  if (forbidden !== undefined) {
    if (body !== undefined && !Buffer.isBuffer(body)) body.destroy()
    return Promise.resolve({ status: 'refused', reason: 'private_address', address: forbidden })
  }
  const deadline = AbortSignal.timeout(limits.timeoutMs)
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest
  // A new connection for each call: a reused one could lead to an address that was checked against other rules.
  const request = open(url, {
    method,
    headers,
    signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
    agent: false,
    lookup: guardedLookup(allowed, resolve),
    maxHeaderSize: RESPONSE_HEADER_BYTES_MAX,
  })
  const outcome = outcomeOf(request, deadline, limits.responseBytesMax)
  // An error of the connection ends the body too; `outcomeOf` reports it.
  if (body === undefined || Buffer.isBuffer(body)) request.end(body)
  else pipeline(body, request, () => {})
  return outcome
}

/** The outcome, once the connection is closed. A status that was received counts, whatever fails after it. */
function outcomeOf(request: ClientRequest, deadline: AbortSignal, responseBytesMax: number): Promise<CallOutcome> {
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

function outcomeOfResponse({ statusCode, headers }: IncomingMessage): CallOutcome {
  const seconds = headers['retry-after'] ?? ''
  // The status is always set in responses; the type is shared with requests, which have none.
  return { status: 'answered', httpStatus: Number(statusCode), retryAfterMs: /^\d{1,9}$/.test(seconds) ? Number(seconds) * 1_000 : undefined }
}

const RESPONSE_HEADER_BYTES_MAX = 16_384
