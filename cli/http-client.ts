import { callOperation, type Endpoint, type Failure, failureOf, sendRequest } from '../contract/client.ts'
import type { AnswerOf, Operation, RequestInput } from '../contract/operation.ts'
import { PAGE_ROWS_MAX } from '../contract/pages.ts'
import { counted } from '../metering/counted.ts'
import { parseExactJson, stringifyExactJson } from '../metering/exact-json.ts'
import { CliError, EXIT, type ExitCode } from './errors.ts'
import { joinPages, type Page } from './join-pages.ts'

export const EXIT_OF_STATUS: Readonly<Record<number, ExitCode>> = { 401: EXIT.notAuthenticated, 403: EXIT.permissionDenied, 404: EXIT.notFound }

/** Statuses after which the same call can succeed later. */
const RETRYABLE = [408, 429, 500, 502, 503, 504]

const NEXT_OF_STATUS: Record<number, string> = {
  401: 'Check which credentials are used with "meterline current", and log in again with "meterline login".',
}

/** Calls the running service. Throws CliError with the exit code for its answer, and ZodError for an answer of another shape. */
export async function call<O extends Operation>(endpoint: Endpoint, operation: O, request: RequestInput<O> = {}): Promise<AnswerOf<O>> {
  return (await callForText(endpoint, operation, request)).answer
}

export interface AnswerWithText<O extends Operation> {
  readonly answer: AnswerOf<O>
  /** As the service wrote it, in which every number has all its digits. */
  readonly text: string
}

/** The same, with the text of the answer. */
export async function callForText<O extends Operation>(endpoint: Endpoint, operation: O, request: RequestInput<O> = {}): Promise<AnswerWithText<O>> {
  const reply = await callOperation(endpoint, operation, request).catch((cause: unknown) => {
    throw cause instanceof SyntaxError ? notMeterline(endpoint, 200) : networkError(endpoint, cause)
  })
  if (reply.status === 'failed') throw failedCall(endpoint, reply.failure)
  return reply
}

interface List<O extends Operation> {
  /** The member of an answer that has the rows. */
  readonly rows: keyof AnswerOf<O> & string
  /** Default: all rows. */
  readonly rowsMax?: number
  readonly params?: RequestInput<O>['params']
  readonly query?: RequestInput<O>['query']
  /** Called after every page with the number of rows so far. */
  readonly onPage?: ((rows: number) => void) | undefined
}

/** A list from as many of its pages as it takes, as one answer: the first page with the rows of all. Throws like `call`. */
export async function callForList<O extends Operation>(
  endpoint: Endpoint,
  operation: O,
  { rows, rowsMax = Number.POSITIVE_INFINITY, params, query, onPage }: List<O>,
): Promise<AnswerWithText<O>> {
  const answers: Page[] = []
  const texts: Page[] = []
  let count = 0
  for (let cursor: unknown; cursor !== null; ) {
    const limit = Math.min(PAGE_ROWS_MAX, rowsMax - count)
    const { answer, text } = await callForText(endpoint, operation, { params, query: { ...(query as object), limit, cursor } } as RequestInput<O>)
    const page = answer as Page
    answers.push(page)
    texts.push(parseExactJson(text) as Page)
    count += (page[rows] as unknown[]).length
    onPage?.(count)
    cursor = count < rowsMax ? page['next_cursor'] : null
  }
  return { answer: joinPages(answers, rows) as AnswerOf<O>, text: stringifyExactJson(joinPages(texts, rows)) }
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
    throw new CliError(`The service ended the download early (${describeCause(cause)}); nothing was written. Try again.`, EXIT.error, {
      code: 'DOWNLOAD_INTERRUPTED',
      retryable: true,
    })
  }
}

/** What a rejected fetch means for the person at the terminal; another error is returned as it is. */
export function networkError({ url }: Endpoint, cause: unknown): unknown {
  if (!(cause instanceof TypeError)) return cause
  if (isSlow(cause))
    return new CliError(`The service at ${url} has not answered for minutes. It may still be working; check there before you repeat the call.`, EXIT.error, {
      code: 'NO_ANSWER',
    })
  return new CliError(`No Meterline answers at ${url} (${describeCause(cause)}). Start one with "meterline start", or set METERLINE_URL.`, EXIT.error, {
    code: 'UNREACHABLE',
    retryable: true,
  })
}

/** Node's fetch gives up after five minutes without an answer. */
function isSlow({ cause }: TypeError): boolean {
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'UND_ERR_HEADERS_TIMEOUT'
}

/** What a failed answer means. Another server's 404 must not end a script with the exit code of "not found". */
export function failedCall(endpoint: Endpoint, { httpStatus, error, retryAfterSeconds }: Failure): CliError {
  if (error === undefined) return notMeterline(endpoint, httpStatus)
  const wait = httpStatus !== 429 || retryAfterSeconds === undefined ? '' : ` Try again in ${counted(retryAfterSeconds, 'second')}.`
  return new CliError(`${error.message}${wait}`, EXIT_OF_STATUS[httpStatus] ?? EXIT.error, {
    code: error.code,
    next: NEXT_OF_STATUS[httpStatus],
    requestId: error.request_id,
    retryable: RETRYABLE.includes(httpStatus),
  })
}

function notMeterline({ url }: Endpoint, httpStatus: number): CliError {
  return new CliError(`The server at ${url} is not Meterline (it answered ${httpStatus}). Set METERLINE_URL.`, EXIT.error, {
    code: 'NOT_METERLINE',
    retryable: RETRYABLE.includes(httpStatus),
  })
}

function describeCause(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}
