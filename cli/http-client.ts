import { z } from 'zod'
import { parseExactJson } from '../metering/exact-json.ts'
import { NumberToken } from '../metering/quantity.ts'
import { CliError, EXIT, type ExitCode } from './output.ts'

const EXIT_OF_STATUS: Record<number, ExitCode> = { 401: EXIT.notAuthenticated, 403: EXIT.permissionDenied, 404: EXIT.notFound }

export interface ServiceAddress {
  readonly url: string
  readonly token: string
}

/** Where the running service is and who asks: METERLINE_URL and METERLINE_ACCESS_TOKEN. Throws CliError. */
export function readServiceAddress(environment: NodeJS.ProcessEnv): ServiceAddress {
  // Docker and shells pass an unset variable as an empty one.
  const url = environment['METERLINE_URL'] || 'http://127.0.0.1:8080'
  const token = environment['METERLINE_ACCESS_TOKEN'] ?? ''
  if (!URL.canParse(url)) throw new CliError(`METERLINE_URL "${url}" is not a URL.`)
  if (!/^[!-~]+$/.test(token)) {
    throw new CliError(
      'Not authenticated. Set METERLINE_ACCESS_TOKEN to the admin token; in embedded mode it is the text of the file admin-token in DATA_DIR.',
      EXIT.notAuthenticated,
    )
  }
  return { url, token }
}

/** Calls the running service. Throws CliError with the exit code that the answer stands for. */
export function call(address: ServiceAddress, method: string, path: string, body?: unknown): Promise<unknown> {
  return send({ address, method, path, body, parse: JSON.parse })
}

/** Asks for what holds quantities. Every number stands as its text: as a `number` it would lose digits. Throws CliError like `call`. */
export async function ask(address: ServiceAddress, path: string): Promise<unknown> {
  return numbersAsText(await send({ address, method: 'GET', path, body: undefined, parse: parseExactJson }))
}

function numbersAsText(value: unknown): unknown {
  if (value instanceof NumberToken) return value.text
  if (Array.isArray(value)) return value.map(numbersAsText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, numbersAsText(inner)]))
}

interface Call {
  readonly address: ServiceAddress
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly parse: (text: string) => unknown
}

async function send({ address, method, path, body, parse }: Call): Promise<unknown> {
  const response = await request(address, path, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const answer: unknown = await response
    .text()
    .then(parse)
    .catch(() => undefined)
  if (response.ok && answer === undefined) throw notMeterline(address, response)
  if (response.ok) return answer
  throw refusalOf(address, response, answer)
}

export interface Download {
  readonly headers: Headers
  /** Throws CliError when the body breaks off. */
  readonly pieces: AsyncIterable<Uint8Array>
}

/** Asks for what may be too large to hold. Throws CliError like `call`. */
export async function openDownload(address: ServiceAddress, path: string): Promise<Download> {
  const response = await request(address, path, {})
  if (!response.ok) throw refusalOf(address, response, await response.json().catch(() => undefined))
  if (response.body === null) throw notMeterline(address, response)
  // Taken at once: fetch cancels a body that nobody reads yet when its response is garbage, and then it ends empty and normally.
  return { headers: response.headers, pieces: piecesOf(response.body.getReader()) }
}

async function* piecesOf(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
  } catch (cause) {
    throw new CliError(`The service broke off in the middle (${describeCause(cause)}); nothing was kept. Try again.`)
  }
}

function request({ url, token }: ServiceAddress, path: string, init: RequestInit): Promise<Response> {
  return fetch(within(url, path), { ...init, headers: { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) } }).catch(
    (cause: unknown) => {
      if (isSlow(cause)) throw new CliError(`The service at ${url} has not answered for minutes. It may still be at work; look there before you ask again.`)
      throw new CliError(`No Meterline answers at ${url} (${describeCause(cause)}). Start one with "meterline start", or set METERLINE_URL.`)
    },
  )
}

/** A service behind a prefix is METERLINE_URL with a path, which `path` follows. */
function within(url: string, path: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname.replace(/\/+$/, '')}${path}`
}

/** Node's fetch gives up after five minutes without an answer. */
function isSlow(cause: unknown): boolean {
  const inner = cause instanceof Error ? cause.cause : undefined
  return typeof inner === 'object' && inner !== null && 'code' in inner && inner.code === 'UND_ERR_HEADERS_TIMEOUT'
}

/** Another server's 404 must not end a script as "not found" does. */
function refusalOf(address: ServiceAddress, response: Response, answer: unknown): CliError {
  const refusal = FailedAnswer.safeParse(answer)
  if (!refusal.success) return notMeterline(address, response)
  const seconds = response.status === 429 ? response.headers.get('retry-after') : null
  const wait = seconds === null ? '' : ` Try again in ${seconds} ${seconds === '1' ? 'second' : 'seconds'}.`
  return new CliError(`${refusal.data.message}${wait}`, EXIT_OF_STATUS[response.status] ?? EXIT.error)
}

/** As much of an error as every route of Meterline answers. */
const FailedAnswer = z.object({ message: z.string(), code: z.string() })

function notMeterline({ url }: ServiceAddress, { status }: Response): CliError {
  return new CliError(`What answers at ${url} is not Meterline (it answered ${status}). Set METERLINE_URL.`)
}

function describeCause(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}
