import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { actorNameOf } from '../auth/auth.ts'
import type { LoggedRequests } from './logged-requests.ts'

export interface AccessLogOptions {
  readonly logger: FastifyBaseLogger
  readonly logRequests: LoggedRequests
}

/**
 * One line for each request: who called what, from where, and the outcome. It has the pattern of the route and not the path, so no
 * credential that somebody put there by mistake, no query and no search text. The ids of the path and of the query are added when
 * the call succeeded: then they are what was read, and whoever read it may know them. Supervisors and Prometheus call every few
 * seconds; they get a line only when they fail.
 */
export function logRequests(app: FastifyInstance, options: AccessLogOptions): void {
  app.addHook('onResponse', async (request, reply) => logAnswered(options, request, reply))
}

/** For a path that cannot be parsed: such a request reaches no hook. */
export function logWhenAnswered(options: AccessLogOptions, request: FastifyRequest, reply: FastifyReply): void {
  reply.raw.once('close', () => logAnswered(options, request, reply))
}

function logAnswered({ logger, logRequests }: AccessLogOptions, request: FastifyRequest, reply: FastifyReply): void {
  const { method, id: requestId, ip: address, failure } = request
  const { statusCode: status } = reply
  const isFailure = status >= 400
  const { url: route = 'unknown', config } = request.routeOptions
  if (logRequests === 'none' || (!isFailure && (logRequests === 'failures' || config.isPolled === true))) return
  const ms = Math.round(reply.elapsedTime * 10) / 10
  const outcome = isFailure ? failure : { ids: idsOf(request) }
  logger.info({ method, route, status, ms, requestId, actor: actorNameOf(request) ?? null, address, ...outcome }, REQUEST)
}

/** The same line for bytes that are no request, so that there is no route and no caller. */
export function logMalformedRequest({ logger, logRequests }: AccessLogOptions, line: { status: number; requestId: string; address: string | undefined }): void {
  if (logRequests !== 'none') logger.info({ method: null, route: 'unknown', ...line, actor: null, code: 'INVALID_REQUEST' }, REQUEST)
}

const REQUEST = 'request'

/** What a call is about. Other parameters may hold a key, a search text or a person's id of another system. */
const LOGGED_IDS: Readonly<Record<string, string>> = {
  partnerId: 'partner',
  partner_id: 'partner',
  projectId: 'project',
  project_id: 'project',
  month: 'month',
}

function idsOf(request: FastifyRequest): Readonly<Record<string, string>> | undefined {
  if (request.identity === undefined) return undefined
  const given = { ...(request.query as object), ...(request.params as object) }
  const ids = Object.entries(given).flatMap(([name, value]) => {
    const logged = LOGGED_IDS[name]
    return logged === undefined || typeof value !== 'string' ? [] : [[logged, value]]
  })
  return ids.length === 0 ? undefined : Object.fromEntries(ids)
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Called every few seconds by supervisors or Prometheus, so that a success is no news. */
    isPolled?: true
  }
  interface FastifyRequest {
    /** Why the request failed: the code of the answer, and what it does not say. */
    failure?: { readonly code: string; readonly reason?: string }
  }
}
