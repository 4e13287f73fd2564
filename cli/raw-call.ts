import { addressAt, type Endpoint, failureOf } from '../contract/client.ts'
import type { Method } from '../contract/operation.ts'
import { parseExactJson, stringifyExactJson } from '../metering/exact-json.ts'
import { CliError, EXIT, usageError } from './errors.ts'
import { failedCall, networkError } from './http-client.ts'
import { joinPages, type Page } from './join-pages.ts'

export const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** A call that no operation of the contract describes. */
export interface RawRequest {
  readonly method: Method
  /** With its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
}

/** The path of a call: of the service itself, so that credentials are sent nowhere else. Throws CliError. */
export function requirePath(path: string | undefined): string {
  if (path?.startsWith('/') === true) return path
  throw usageError(
    path === undefined ? 'The path of the call is missing.' : `The path "${path}" does not begin with "/".`,
    'Give the path only, such as /version; the service is that of --url, METERLINE_URL or your credentials.',
  )
}

/** The bytes of an answer. With `paginate` the rows of all pages, in the body of the first one. Throws CliError. */
export async function callForBody(endpoint: Endpoint, request: RawRequest, { paginate }: { paginate: boolean }): Promise<Uint8Array> {
  const first = await callOnce(endpoint, request)
  if (!paginate) return first
  const pages = [requirePage(first)]
  const seen = new Set<string>()
  for (let cursor = pages[0]?.['next_cursor']; typeof cursor === 'string'; cursor = pages.at(-1)?.['next_cursor']) {
    if (seen.has(cursor)) throw new CliError('The pages do not end: two of them name the same next one.')
    seen.add(cursor)
    pages.push(requirePage(await callOnce(endpoint, { ...request, path: withCursor(request.path, cursor) })))
  }
  return pages.length === 1 ? first : Buffer.from(stringifyExactJson(joinPages(pages, rowsOf(pages[0]) ?? '')) ?? '')
}

async function callOnce(endpoint: Endpoint, { method, path, headers = {}, body }: RawRequest): Promise<Uint8Array> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  try {
    const response = await fetch(addressAt(endpoint.url, path), {
      method,
      headers: { ...type, ...headers, ...endpoint.headers },
      // A redirect could lead to another host.
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    })
    if (response.status >= 400) throw failedCall(endpoint, await failureOf(response))
    if (response.status >= 300)
      throw new CliError(`The server at ${endpoint.url} redirects to ${response.headers.get('location') ?? 'another place'}.`, EXIT.error, {
        code: 'REDIRECTED',
        next: 'Credentials are not sent on. If that is the service, give its address with --url or METERLINE_URL.',
      })
    return new Uint8Array(await response.arrayBuffer())
  } catch (cause) {
    throw networkError(endpoint, cause)
  }
}

function requirePage(body: Uint8Array): Page {
  let page: unknown
  try {
    page = parseExactJson(Buffer.from(body).toString('utf8'))
  } catch {
    page = undefined
  }
  if (typeof page === 'object' && page !== null && 'next_cursor' in page && rowsOf(page as Page) !== undefined) return page as Page
  throw usageError('This answer has no pages: it is no list with next_cursor.', 'Leave out --paginate.')
}

/** The member that has the rows; a list has exactly one. */
function rowsOf(page: Page = {}): string | undefined {
  const lists = Object.keys(page).filter((name) => Array.isArray(page[name]))
  return lists.length === 1 ? lists[0] : undefined
}

function withCursor(path: string, cursor: string): string {
  const url = new URL(`http://service.invalid${path}`)
  url.searchParams.set('cursor', cursor)
  return `${url.pathname}${url.search}`
}
