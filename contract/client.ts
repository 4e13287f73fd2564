import { z } from 'zod'
import { readAnswer } from './answer.ts'
import { type AnswerOf, type Operation, type RequestInput, urlOf } from './operation.ts'
import { SecretsErrorBody } from './secrets.ts'

export interface Endpoint {
  /** Where the service is reached; with a path, if it is behind a prefix. */
  readonly url: string
  /** Credentials. */
  readonly headers: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

export type Reply<O extends Operation> =
  | { readonly status: 'answered'; readonly answer: AnswerOf<O>; readonly text: string }
  | { readonly status: 'failed'; readonly failure: Failure }

export interface Failure {
  readonly httpStatus: number
  /** Undefined if what answered is not Meterline. */
  readonly error: { readonly code: string; readonly message: string; readonly request_id?: string | undefined } | undefined
  readonly retryAfterSeconds: number | undefined
}

/**
 * Calls an operation of the HTTP interface and parses its answer. Rejects with the error of fetch if there is no answer, and with
 * ZodError if the answer has another shape.
 */
export async function callOperation<O extends Operation>(endpoint: Endpoint, operation: O, request: RequestInput<O> = {}): Promise<Reply<O>> {
  const response = await sendRequest(endpoint, operation, request)
  if (!response.ok) return { status: 'failed', failure: await failureOf(response) }
  const text = await response.text()
  const schema = operation.answers[response.status]
  if (!(schema instanceof z.ZodType)) return { status: 'failed', failure: { httpStatus: response.status, error: undefined, retryAfterSeconds: undefined } }
  return { status: 'answered', answer: readAnswer(schema, text) as AnswerOf<O>, text }
}

/** Sends the request of an operation and returns the response as it is: for files, which are read in chunks. */
export function sendRequest<O extends Operation>({ url, headers, signal }: Endpoint, operation: O, request: RequestInput<O>): Promise<Response> {
  const { body } = request
  return fetch(addressAt(url, urlOf(operation, request)), {
    method: operation.method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    // A redirect could lead to another host, and fetch would send it the secrets of other headers than Authorization.
    redirect: 'error',
    ...(signal === undefined ? {} : { signal }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

/** The address of a path of the service, which may be behind a prefix. */
export function addressAt(serviceUrl: string, path: string): string {
  const { origin, pathname } = new URL(serviceUrl)
  return `${origin}${pathname.replace(/\/+$/, '')}${path}`
}

/** Every error of Meterline has these two members, except those of the Secrets API. */
const ErrorFields = z.object({ code: z.string(), message: z.string(), request_id: z.string().optional() })

/** Of an answer that is not 2xx. */
export async function failureOf(response: Response): Promise<Failure> {
  const body: unknown = await response.json().catch(() => undefined)
  const retryAfter = response.headers.get('retry-after')
  return {
    httpStatus: response.status,
    error: ErrorFields.safeParse(body).data ?? secretsErrorOf(body, response.headers),
    retryAfterSeconds: retryAfter === null ? undefined : Number(retryAfter),
  }
}

/** The documentation of the Secrets API gives its errors other members, and none for the id of the request. */
function secretsErrorOf(body: unknown, headers: Headers): Failure['error'] {
  const { data } = SecretsErrorBody.safeParse(body)
  return data === undefined ? undefined : { code: data.error, message: data.message, request_id: headers.get('x-request-id') ?? undefined }
}
