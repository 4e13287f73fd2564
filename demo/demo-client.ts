import { callOperation, type Endpoint } from '../contract/client.ts'
import type { AnswerOf, Operation, RequestInput } from '../contract/operation.ts'

/** The public HTTP API as the operator and the partner of the demo use it. The platform uses the emitter SDK (demo/emit.ts). */
export class DemoClient {
  readonly url: string
  readonly adminToken: string
  readonly signal: AbortSignal

  /** Once `signal` is aborted, every call rejects, including those in progress. */
  constructor({ url, adminToken }: { url: string; adminToken: string }, signal: AbortSignal) {
    this.url = url
    this.adminToken = adminToken
    this.signal = signal
  }

  asOperator<O extends Operation>(operation: O, request: RequestInput<O> = {}): Promise<AnswerOf<O>> {
    return this.#call({ authorization: `Bearer ${this.adminToken}` }, operation, request)
  }

  asPartner<O extends Operation>({ secret }: DemoPartner, operation: O, request: RequestInput<O>): Promise<AnswerOf<O>> {
    return this.#call({ 'x-partnership-secret': secret }, operation, request)
  }

  async #call<O extends Operation>(headers: Endpoint['headers'], operation: O, request: RequestInput<O>): Promise<AnswerOf<O>> {
    const name = `${operation.method} ${operation.path}`
    const reply = await callOperation({ url: this.url, headers, signal: this.signal }, operation, request).catch((cause: unknown) => {
      throw new Error(`${name} got no response (${describeCause(cause)}).`, { cause })
    })
    if (reply.status === 'answered') return reply.answer
    throw new Error(`${name} failed with status ${reply.failure.httpStatus}: ${reply.failure.error?.message ?? 'no message'}`)
  }
}

export interface DemoPartner {
  readonly partnerId: string
  readonly secret: string
}

function describeCause(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}
