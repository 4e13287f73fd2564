import { createHash } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'

type Quotas = Pick<ApiContext, 'requestsPerMinute' | 'eventRequestsPerMinute'>

/**
 * Requests are counted per credential, before it is known to be good: guesses count too. Each counted answer says its policy
 * and what is left of it, as the current draft of the IETF has it (draft-ietf-httpapi-ratelimit-headers); the plugin's own
 * headers are those of an old draft, so it only counts here.
 */
export async function limitRequests(app: FastifyInstance, { requestsPerMinute, eventRequestsPerMinute }: Quotas): Promise<void> {
  await app.register(rateLimit, { global: false })
  const policies = { default: policyOf(app, 'default', requestsPerMinute), events: policyOf(app, 'events', eventRequestsPerMinute) }
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.rateLimit !== undefined) throw new Error(`The route ${url} limits itself with \`rateLimit\`; say \`limit\` instead (api/limits.ts).`)
  })
  app.addHook('onRequest', async (request, reply) => {
    const name = request.routeOptions.config.limit ?? 'default'
    const policy = request.is404 || name === 'none' ? undefined : policies[name]
    if (policy === undefined) return
    const { remaining, resetSeconds, exceeded } = await policy.count(request)
    reply.header('ratelimit-policy', policy.header).header('ratelimit', `"${name}";r=${remaining};t=${resetSeconds}`)
    if (!exceeded) return
    reply.header('retry-after', resetSeconds)
    throw new ApiError('RATE_LIMITED')
  })
}

interface Policy {
  /** The value of RateLimit-Policy: structured fields, RFC 9651. */
  readonly header: string
  count(request: FastifyRequest): Promise<{ remaining: number; resetSeconds: number; exceeded: boolean }>
}

/** Undefined where there is no limit. */
function policyOf(app: FastifyInstance, name: string, requests: number): Policy | undefined {
  if (requests === 0) return undefined
  const count = app.createRateLimit({ max: requests, timeWindow: WINDOW_SECONDS * 1000, keyGenerator: limitKeyOf })
  return {
    header: `"${name}";q=${requests};w=${WINDOW_SECONDS}`,
    count: async (request) => {
      const counted = await count(request)
      if (counted.isAllowed) throw new Error('No credential is free of the limit.')
      return { remaining: counted.remaining, resetSeconds: counted.ttlInSeconds, exceeded: counted.isExceeded }
    },
  }
}

const WINDOW_SECONDS = 60

/** Per address where there is no credential. Credentials are kept as digests. */
function limitKeyOf(request: FastifyRequest): string {
  const credential = request.headers.authorization ?? request.headers['x-partnership-secret']
  return typeof credential === 'string' ? createHash('sha256').update(credential).digest('base64') : request.ip
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which quota a route's requests count against. Default: the one of all routes. */
    limit?: 'events' | 'none'
  }
}
