import { STATUS_CODES } from 'node:http'
import type { RouteOptions } from 'fastify'
import type { ErrorCode } from '../../contract/errors.ts'
import type { ErrorStatuses } from '../../contract/operation.ts'
import { type Access, accessOf } from '../auth/access.ts'
import { ApiError, errorBody } from '../errors/errors.ts'
import { isSecretsPath, secretsErrorBody } from '../errors/secrets-errors.ts'
import { addExample, type Operation } from './examples.ts'

/** The headers of answers, each described once. */
export const ANSWER_HEADERS = {
  'x-request-id': text('The id of this request; include it in a report.', '5a0c3a4e-7a54-4c1f-8e3e-9a0f5a9f1c11'),
  etag: text(
    'Changes with the answer, except for `as_of`. Sent back as `If-None-Match`, an unchanged answer is a 304 without a body.',
    'W/"Q3Zk0mK1cC8xv0b2m4o1Xw"',
  ),
  'ratelimit-policy': text('The quota of these credentials: `q` requests in `w` seconds.', '"default";q=1200;w=60'),
  ratelimit: text('The remaining quota: `r` requests until it is reset in `t` seconds.', '"default";r=1187;t=42'),
  'retry-after': text('Seconds to wait before the next attempt.', '7'),
  'x-meterline-manifest': text('JSON: what the file holds, as returned by GET /admin/v1/exports/manifest.', '{"format":"csv","rows":1}'),
}

type HeaderName = keyof typeof ANSWER_HEADERS

/** By method and path as in OpenAPI: `GET /v1/{id}`. */
type DescribedRoutes = ReadonlyMap<string, RouteOptions>

export function describedName(method: string, url: string): string {
  return `${method.toUpperCase()} ${url.replaceAll(/:(\w+)/g, '{$1}')}`
}

/** Gives each operation its id, its headers, its 304 and its examples. */
export function completeOperations<T extends { readonly paths?: object }>(described: T, routes: DescribedRoutes): T {
  for (const [path, operations] of Object.entries(described.paths ?? {}) as [string, Record<string, Operation>][]) {
    for (const [method, operation] of Object.entries(operations)) {
      const name = describedName(method, path)
      operation.operationId = operationIdOf(method, path)
      const route = routes.get(name)
      const contract = route?.config?.operation
      addExample(operation, contract?.example)
      const tagged = isTagged(method, path, operation) && route?.config?.noStore !== true
      if (tagged) operation.responses['304'] = { description: 'The cached answer is still current.' }
      const limited = route?.config?.limit !== 'none'
      for (const [status, answer] of Object.entries(operation.responses)) {
        const names = headersOf({ status: Number(status), limited, tagged, isFile: isFile(answer) })
        if (answer.description === 'Default Response') answer.description = STATUS_CODES[status] ?? status
        if (Number(status) >= 400 && route !== undefined) addError({ path, status: Number(status), errors: contract?.errors }, accessOf(route), answer)
        answer.headers = Object.fromEntries(names.map((each) => [each, { $ref: `#/components/headers/${each}` }]))
      }
    }
  }
  return described
}

/** Adds an example of the error that the operation answers with under this status, if one is known. */
function addError({ path, status, errors }: DescribedError, access: Access, { content }: Operation['responses'][string]): void {
  const media = content?.['application/json']
  const code = codeOf({ status, errors }, access)
  if (media === undefined || code === undefined) return
  const error = new ApiError(code)
  media.example = isSecretsPath(path) ? secretsErrorBody(error) : errorBody(error, ANSWER_HEADERS['x-request-id'].schema.example)
}

interface DescribedError {
  readonly path: string
  readonly status: number
  readonly errors: ErrorStatuses | undefined
}

function codeOf({ status, errors }: Pick<DescribedError, 'status' | 'errors'>, access: Access): ErrorCode | undefined {
  const own = Object.entries(errors ?? {}).find(([each]) => Number(each) === status)?.[1]
  if (own !== undefined && own !== true) return own
  if (status === 403) return access.who === 'admin' ? 'ROLE_NOT_ALLOWED' : 'MODE_NOT_ALLOWED'
  return COMMON_ERRORS[status]
}

/** The usual error of each status. What is not found, or in conflict, differs from one operation to the next. */
const COMMON_ERRORS: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_REQUEST',
  401: 'UNAUTHENTICATED',
  413: 'TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'RATE_LIMITED',
  500: 'INTERNAL',
  503: 'STORE_UNAVAILABLE',
}

interface Described {
  readonly status: number
  readonly limited: boolean
  readonly tagged: boolean
  readonly isFile: boolean
}

function headersOf({ status, limited, tagged, isFile }: Described): HeaderName[] {
  return [
    'x-request-id',
    ...(limited ? (['ratelimit-policy', 'ratelimit'] as const) : []),
    ...(tagged && (status === 200 || status === 304) ? (['etag'] as const) : []),
    ...(status === 429 || status === 503 ? (['retry-after'] as const) : []),
    ...(isFile ? (['x-meterline-manifest'] as const) : []),
  ]
}

/** Streams (etag.ts). */
const UNTAGGED = ['/partnership/v1/{partnerId}/statements/{month}', '/admin/v1/statements/{partnerId}/{month}']

function isTagged(method: string, path: string, { responses }: Operation): boolean {
  const answer = responses['200']
  return method === 'get' && answer !== undefined && !isFile(answer) && !UNTAGGED.includes(path)
}

function isFile({ content = {} }: Operation['responses'][string]): boolean {
  return Object.keys(content).some((type) => type !== 'application/json')
}

/** Built from the words and parameters of the path: `GET /partnership/v1/{partnerId}/{projectId}/usage` is `getPartnershipProjectUsage`. */
function operationIdOf(method: string, path: string): string {
  const words = path
    .replace('/partnership/v1/{partnerId}', '/partnership')
    .split('/')
    .filter((part) => part !== '' && part !== 'v1')
    .flatMap((part) => part.replace(/^\{(.+?)(?:Id)?\}$/, 'Of-$1').split(/[^A-Za-z0-9]+/))
    .filter((word) => word !== '')
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function text(description: string, example: string) {
  return { description, schema: { type: 'string', example } } as const
}
