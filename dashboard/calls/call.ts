import type { AnswerOf, Operation, RequestInput } from '../../contract/operation.ts'
import { requestPath } from '../../contract/request-path.ts'
import { type AsText, parseWithNumbersAsText } from './numbers-as-text.ts'

/** Why a call has no answer: an error of the service, or no connection to it. */
export class CallFailed extends Error {
  /** 0 if the service cannot be reached. */
  readonly status: number
  readonly code: string
  readonly requestId: string | undefined
  /** What the call was made with, if the service has answered. */
  readonly credential: Credential | undefined

  constructor(failure: { status: number; code: string; message: string; requestId?: string | undefined; credential?: Credential | undefined }) {
    super(failure.message)
    this.status = failure.status
    this.code = failure.code
    this.requestId = failure.requestId
    this.credential = failure.credential
  }
}

/** The headers of the session's credential. */
export type Credential = Readonly<Record<string, string>>

export interface Caller {
  readonly credential: Credential
  readonly signal?: AbortSignal | undefined
}

/** A request of an operation, whose method and path are written where it is called: the compiler compares both with the contract. */
export type Call<O extends Operation> = Pick<O, 'method' | 'path'> & RequestInput<O>

/** Calls an operation of the API. Rejects with CallFailed, or with AbortError. */
export async function call<O extends Operation>(caller: Caller, request: Call<O>): Promise<AsText<AnswerOf<O>>> {
  const response = await send(caller, request)
  return parseWithNumbersAsText(await response.text()) as AsText<AnswerOf<O>>
}

/** A file with the headers that describe it. */
export interface DownloadedFile {
  readonly chunks: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly headers: Headers
}

/** The same for an answer that is a file. Its bytes may still break off: reading them then rejects. */
export async function download<O extends Operation>(caller: Caller, request: Call<O>): Promise<DownloadedFile> {
  const { body, headers } = await send(caller, request)
  if (body === null) throw new CallFailed({ status: 0, code: 'NO_FILE', message: 'The service answered without a file. Try again.' })
  return { chunks: body, headers }
}

async function send<O extends Operation>({ credential, signal }: Caller, request: Call<O>): Promise<Response> {
  const { method, body } = request
  const response = await fetch(addressOf(request.path, request), {
    method,
    headers: { ...credential, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    redirect: 'error',
    // The numbers of one credential must not be shown to the next one.
    cache: 'no-store',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new CallFailed({ status: 0, code: 'UNREACHABLE', message: 'The service cannot be reached. Check the connection, then try again.' })
  })
  if (!response.ok) throw await failureOf(response, credential)
  return response
}

/** Beside the page: the service may be behind a path prefix. */
export function addressOf(path: string, parts: { params?: unknown; query?: unknown }): URL {
  return new URL(`.${requestPath(path, parts)}`, document.baseURI)
}

async function failureOf(response: Response, credential: Credential): Promise<CallFailed> {
  const body: unknown = await response.json().catch(() => undefined)
  const { code, error, message, request_id } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  return new CallFailed({
    status: response.status,
    code: String(code ?? error ?? 'UNKNOWN'),
    message: typeof message === 'string' ? message : `The service answered with status ${response.status}.`,
    requestId: typeof request_id === 'string' ? request_id : (response.headers.get('x-request-id') ?? undefined),
    credential,
  })
}
