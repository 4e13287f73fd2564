import { createHash } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { accessOf } from '../auth/access.ts'
import { networkOf } from '../auth/network-of.ts'
import { sentCredential } from '../auth/sent-credential.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

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
    if (config?.rateLimit !== undefined) throw new Error(`The route ${url} limits itself with \`rateLimit\`; say \`limit\` instead (api/http/rate-limits.ts).`)
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
  // The plugin's types forget that a limit may have `cache`, so it is not written into the call.
  const limit = { max: requests, timeWindow: WINDOW_SECONDS * 1000, cache: COUNTS_MAX, keyGenerator: limitKeyOf }
  const count = app.createRateLimit(limit)
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

/**
 * Counts kept of each policy; beyond it the one that was longest not used goes. So invented credentials cost no more memory than
 * that, and a count is lost only when so many others came since its last request; each of them beyond the first few was a 429
 * of its address already (guessing-brake.ts).
 */
const COUNTS_MAX = 50_000

/** By the credential that is to prove the caller, as a digest; by network where none is sent or asked for. */
function limitKeyOf(request: FastifyRequest): string {
  const { url = '', config } = request.routeOptions
  const sent = sentCredential(request, accessOf({ url, config }))
  return createHash('sha256')
    .update(JSON.stringify(sent === undefined ? ['network', networkOf(request.ip)] : [sent.by, sent.text]))
    .digest('base64')
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which quota a route's requests count against. Default: the one of all routes. */
    limit?: 'events' | 'none'
  }
}
