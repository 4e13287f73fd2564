import { callOperation, type Endpoint, type Failure, failureOf, sendRequest } from '../contract/client.ts'
import type { AnswerOf, Operation, RequestInput } from '../contract/operation.ts'
import { PAGE_ROWS_MAX } from '../contract/pages.ts'
import { readSecretFiles } from '../service/secret-files.ts'
import { CliError, EXIT, type ExitCode } from './output.ts'

const EXIT_OF_STATUS: Record<number, ExitCode> = { 401: EXIT.notAuthenticated, 403: EXIT.permissionDenied, 404: EXIT.notFound }

/** The running service and the caller's credentials: METERLINE_URL and METERLINE_ACCESS_TOKEN. Throws CliError. */
export function readEndpoint(environment: NodeJS.ProcessEnv): Endpoint {
  // Docker and shells pass an unset variable as an empty one.
  const url = environment['METERLINE_URL'] || 'http://127.0.0.1:8080'
  const { set, problems } = readSecretFiles(environment, ['METERLINE_ACCESS_TOKEN'])
  for (const { name, message } of problems) throw new CliError(`${name}: ${message}.`, EXIT.notAuthenticated)
  const token = set['METERLINE_ACCESS_TOKEN'] ?? ''
  if (!URL.canParse(url)) throw new CliError(`METERLINE_URL "${url}" is not a URL.`)
  if (!/^[!-~]+$/.test(token)) {
    throw new CliError(
      'Not authenticated. Set METERLINE_ACCESS_TOKEN to the admin token, or METERLINE_ACCESS_TOKEN_FILE to its file; in embedded mode it is the text of the file admin-token in DATA_DIR.',
      EXIT.notAuthenticated,
    )
  }
  return { url, headers: { authorization: `Bearer ${token}` } }
}

/** Calls the running service. Throws CliError with the exit code for its answer, and ZodError for an answer of another shape. */
export async function call<O extends Operation>(endpoint: Endpoint, operation: O, request: RequestInput<O> = {}): Promise<AnswerOf<O>> {
  return (await callForText(endpoint, operation, request)).answer
}

/** The same, with the text of the answer, in which every number has all its digits. */
export async function callForText<O extends Operation>(
  endpoint: Endpoint,
  operation: O,
  request: RequestInput<O> = {},
): Promise<{ answer: AnswerOf<O>; text: string }> {
  const reply = await callOperation(endpoint, operation, request).catch((cause: unknown) => {
    throw cause instanceof SyntaxError ? notMeterline(endpoint, 200) : networkError(endpoint, cause)
  })
  if (reply.status === 'failed') throw failedCall(endpoint, reply.failure)
  return reply
}

interface List<O extends Operation, Row> {
  readonly rowsOf: (page: AnswerOf<O>) => readonly Row[]
  /** Default: all rows. */
  readonly rowsMax?: number
  readonly query?: RequestInput<O>['query']
}

/** The rows of a list, from as many of its pages as it takes. Throws like `call`. */
export async function readRows<O extends Operation, Row>(
  endpoint: Endpoint,
  operation: O,
  { rowsOf, rowsMax = Number.POSITIVE_INFINITY, query }: List<O, Row>,
): Promise<Row[]> {
  const rows: Row[] = []
  let cursor: string | null | undefined
  while (cursor !== null && rows.length < rowsMax) {
    const limit = Math.min(PAGE_ROWS_MAX, rowsMax - rows.length)
    const page: AnswerOf<O> = await call(endpoint, operation, { query: { ...(query as object), limit, cursor } as RequestInput<O>['query'] } as RequestInput<O>)
    rows.push(...rowsOf(page))
    cursor = (page as { next_cursor: string | null }).next_cursor
  }
  return rows
}

export interface Download {
  readonly headers: Headers
  /** Throws CliError if the body breaks off. */
  readonly chunks: AsyncIterable<Uint8Array>
}

/** Requests a file, which may be too large to hold in memory. Throws CliError like `call`. */
export async function openDownload<O extends Operation>(endpoint: Endpoint, operation: O, request: RequestInput<O>): Promise<Download> {
  const response = await sendRequest(endpoint, operation, request).catch((cause: unknown) => {
    throw networkError(endpoint, cause)
  })
  if (!response.ok) throw failedCall(endpoint, await failureOf(response))
  if (response.body === null) throw notMeterline(endpoint, response.status)
  // Read from now on: fetch cancels a body without a reader when its response is garbage collected, and then it ends empty and normally.
  return { headers: response.headers, chunks: chunksOf(response.body.getReader()) }
}

async function* chunksOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
  } catch (cause) {
    throw new CliError(`The service ended the download early (${describeCause(cause)}); nothing was written. Try again.`)
  }
}

function networkError({ url }: Endpoint, cause: unknown): unknown {
  if (!(cause instanceof TypeError)) return cause
  if (isSlow(cause)) return new CliError(`The service at ${url} has not answered for minutes. It may still be working; check there before you repeat the call.`)
  return new CliError(`No Meterline answers at ${url} (${describeCause(cause)}). Start one with "meterline start", or set METERLINE_URL.`)
}

/** Node's fetch gives up after five minutes without an answer. */
function isSlow({ cause }: TypeError): boolean {
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'UND_ERR_HEADERS_TIMEOUT'
}

/** Another server's 404 must not end a script with the exit code of "not found". */
function failedCall(endpoint: Endpoint, { httpStatus, error, retryAfterSeconds }: Failure): CliError {
  if (error === undefined) return notMeterline(endpoint, httpStatus)
  const wait =
    httpStatus !== 429 || retryAfterSeconds === undefined ? '' : ` Try again in ${retryAfterSeconds} ${retryAfterSeconds === 1 ? 'second' : 'seconds'}.`
  return new CliError(`${error.message}${wait}`, EXIT_OF_STATUS[httpStatus] ?? EXIT.error)
}

function notMeterline({ url }: Endpoint, httpStatus: number): CliError {
  return new CliError(`The server at ${url} is not Meterline (it answered ${httpStatus}). Set METERLINE_URL.`)
}

function describeCause(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}
