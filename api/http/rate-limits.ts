import { createHash } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Access, accessOf, needsCredential } from '../auth/access.ts'
import { networkOf } from '../auth/network-of.ts'
import { sentCredential } from '../auth/sent-credential.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

type Quotas = Pick<ApiContext, 'requestsPerMinute' | 'eventRequestsPerMinute'>

/**
 * Counts requests per credential before the credential is verified: guesses count too. Each counted answer carries its policy and
 * the remaining quota, as in the current IETF draft (draft-ietf-httpapi-ratelimit-headers). The plugin's own headers are those
 * of an older draft, so the plugin only counts.
 */
export async function limitRequests(app: FastifyInstance, { requestsPerMinute, eventRequestsPerMinute }: Quotas): Promise<void> {
  await app.register(rateLimit, { global: false })
  const policies = { default: policyOf(app, 'default', requestsPerMinute), events: policyOf(app, 'events', eventRequestsPerMinute) }
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.rateLimit !== undefined) throw new Error(`The route ${url} sets \`rateLimit\`; set \`limit\` instead (api/http/rate-limits.ts).`)
  })
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return
    const { url = '', config } = request.routeOptions
    const name = config.limit ?? 'default'
    const policy = name === 'none' || isReadOnThisMachine(request, accessOf({ url, config })) ? undefined : policies[name]
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

/** Undefined if there is no limit. */
function policyOf(app: FastifyInstance, name: string, requests: number): Policy | undefined {
  if (requests === 0) return undefined
  // The plugin's types lack `cache`, so the object is not written into the call.
  const limit = { max: requests, timeWindow: WINDOW_SECONDS * 1000, cache: COUNTS_MAX, keyGenerator: limitKeyOf }
  const count = app.createRateLimit(limit)
  return {
    header: `"${name}";q=${requests};w=${WINDOW_SECONDS}`,
    count: async (request) => {
      const counted = await count(request)
      if (counted.isAllowed) throw new Error('The rate limit plugin exempted a request, although no exemption is configured.')
      return { remaining: counted.remaining, resetSeconds: counted.ttlInSeconds, exceeded: counted.isExceeded }
    },
  }
}

const WINDOW_SECONDS = 60

/**
 * Counters of each policy; beyond this number the least recently used one is dropped. So invented credentials cost only limited
 * memory, and a counter is lost only after this many others; all but the first few of those were rejected by their address
 * already (api/auth/guessing-brake.ts).
 */
const COUNTS_MAX = 50_000

/** A digest of the credential that the route requires, or of the network if none is sent or required. */
function limitKeyOf(request: FastifyRequest): string {
  const { url = '', config } = request.routeOptions
  const sent = sentCredential(request, accessOf({ url, config }))
  return createHash('sha256')
    .update(JSON.stringify(sent === undefined ? ['network', networkOf(request.ip)] : [sent.by, sent.text]))
    .digest('base64')
}

/** A Prometheus on this machine reads what is rendered once a second. */
function isReadOnThisMachine(request: FastifyRequest, access: Access): boolean {
  return access.who === 'admin' && access.orThisMachine === true && !needsCredential(request, access)
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The quota that a route's requests count against. Default: the common one. */
    limit?: 'events' | 'none'
  }
}
