import type { FastifySchema, RouteOptions } from 'fastify'
import { accessOf } from '../auth/access.ts'

interface Described {
  readonly schema: FastifySchema
  readonly url: string
  readonly route: RouteOptions
}

/**
 * Adds the errors that occur before a route's handler runs, so that no route has to list them: a path that is malformed or too
 * long, a body that is malformed, too large or of another type, an admin JWT of a role without access. They have the shape of the
 * route's other errors.
 */
export function withEarlyAnswers<T extends Described>(document: T): T {
  const { schema, url, route } = document
  const answers = schema?.response as Record<number, unknown> | undefined
  if (answers?.[FAULT] === undefined) return document
  const ofAccess = accessOf(route).who === 'admin' ? ROLE_STATUSES : []
  const statuses = [...(url.includes(':') ? PATH_STATUSES : []), ...(takesBody(route) ? BODY_STATUSES : []), ...ofAccess]
  const early = Object.fromEntries(statuses.map((status) => [status, answers[FAULT]]))
  return { ...document, schema: { ...schema, response: { ...early, ...answers } } }
}

const FAULT = 500
const PATH_STATUSES = [400, 404]
const BODY_STATUSES = [400, 413, 415]
const ROLE_STATUSES = [403]

function takesBody({ method }: RouteOptions): boolean {
  return [method].flat().some((name) => name !== 'GET' && name !== 'HEAD')
}
