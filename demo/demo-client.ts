import { parseExactJson } from '../metering/exact-json.ts'
import { NumberToken } from '../metering/quantity.ts'

/** The public HTTP API as the demo's platform, partner and operator use it. Numbers in answers are returned as text, so that no digit is lost. */
export class DemoClient {
  readonly #url: string
  readonly #adminToken: string
  readonly #signal: AbortSignal

  /** Once `signal` is aborted, every call rejects, including those in progress. */
  constructor({ url, adminToken }: { url: string; adminToken: string }, signal: AbortSignal) {
    this.#url = url
    this.#adminToken = adminToken
    this.#signal = signal
  }

  admin(method: string, path: string, body: unknown): Promise<unknown> {
    return this.#call(method, `/admin/v1${path}`, { authorization: `Bearer ${this.#adminToken}` }, body)
  }

  partner({ partnerId, secret }: DemoPartner, method: string, path: string, body?: unknown): Promise<unknown> {
    return this.#call(method, `/partnership/v1/${partnerId}${path}`, { 'x-partnership-secret': secret }, body)
  }

  emit(ingestKey: string, events: readonly unknown[]): Promise<unknown> {
    return this.#call('POST', '/v1/events', { authorization: `Bearer ${ingestKey}` }, events)
  }

  async #call(method: string, path: string, credentials: Record<string, string>, body: unknown): Promise<unknown> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const headers = { ...credentials, 'content-type': 'application/json' }
    const response = await fetch(new URL(path, this.#url), { method, headers, signal: this.#signal, ...sent }).catch((cause: unknown) => {
      throw new Error(`${method} ${path} got no response (${describeCause(cause)}).`, { cause })
    })
    const answer = numbersAsText(parseExactJson(await response.text()))
    if (!response.ok) throw new Error(`${method} ${path} failed with status ${response.status}: ${messageOf(answer)}`)
    return answer
  }
}

export interface DemoPartner {
  readonly partnerId: string
  readonly secret: string
}

function messageOf(answer: unknown): string {
  return typeof answer === 'object' && answer !== null && 'message' in answer ? String(answer.message) : JSON.stringify(answer)
}

function describeCause(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}

function numbersAsText(value: unknown): unknown {
  if (value instanceof NumberToken) return value.text
  if (Array.isArray(value)) return value.map(numbersAsText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, numbersAsText(inner)]))
}
