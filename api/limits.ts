import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'

/** Requests are counted per credential, and per address where there is none. Credentials are kept as digests. */
export function limitKeyOf(request: FastifyRequest): string {
  const credential = request.headers.authorization ?? request.headers['x-partnership-secret']
  return typeof credential === 'string' ? createHash('sha256').update(credential).digest('base64') : request.ip
}

/** Options of the rate limiter for a number of requests per minute. */
export function perMinute(requests: number) {
  return { max: requests, timeWindow: MS_PER_MINUTE }
}

/** The same for a single route, where 0 means that it has no limit. */
export function routeLimit(requests: number) {
  return requests > 0 ? perMinute(requests) : (false as const)
}

const MS_PER_MINUTE = 60_000
