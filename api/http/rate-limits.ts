import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Access, accessOf, needsCredential } from '../auth/access.ts'
import { isAdminToken } from '../auth/auth.ts'
import { networkOf } from '../auth/network-of.ts'
import { digestOf, type ProvenCredentials } from '../auth/proven-credentials.ts'
import { credentialOf, sentCredential } from '../auth/sent-credential.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

type Quotas = Pick<ApiContext, 'requestsPerMinute' | 'eventRequestsPerMinute' | 'adminToken'> & { readonly countsMax?: number }

/**
 * Counts requests before their credential is verified. One that was valid within the last hour has a quota of its own; everything
 * else, sent with a credential or without, has that of its network. So forged codes and invented secrets are limited however many
 * they are, and a new credential counts for its network once. Each counted answer carries its policy and
 * the remaining quota, as in the current IETF draft (draft-ietf-httpapi-ratelimit-headers). The plugin's own headers are those
 * of an older draft, so the plugin only counts.
 */
export async function limitRequests(app: FastifyInstance, quotas: Quotas, proven: ProvenCredentials): Promise<void> {
  await app.register(rateLimit, { global: false })
  const { requestsPerMinute, eventRequestsPerMinute, countsMax = COUNTS_MAX } = quotas
  const policies = {
    default: policyOf(app, { name: 'default', requests: requestsPerMinute, countsMax }),
    events: policyOf(app, { name: 'events', requests: eventRequestsPerMinute, countsMax }),
  }
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.rateLimit !== undefined) throw new Error(`The route ${url} sets \`rateLimit\`; set \`limit\` instead (api/http/rate-limits.ts).`)
  })
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return
    const name = request.routeOptions.config.limit ?? 'default'
    const policy = name === 'none' || isReadOnThisMachine(request, accessOfRoute(request)) ? undefined : policies[name]
    if (policy === undefined) return
    const { remaining, resetSeconds, exceeded } = await policy.count(request, countedBy(request, { proven, adminToken: quotas.adminToken }))
    reply.header('ratelimit-policy', policy.header).header('ratelimit', `"${name}";r=${remaining};t=${resetSeconds}`)
    if (!exceeded) return
    reply.header('retry-after', resetSeconds)
    throw new ApiError('RATE_LIMITED')
  })
}

interface Policy {
  /** The value of RateLimit-Policy: structured fields, RFC 9651. */
  readonly header: string
  count(request: FastifyRequest, by: CountedBy): Promise<{ remaining: number; resetSeconds: number; exceeded: boolean }>
}

/** Undefined if there is no limit. */
function policyOf(app: FastifyInstance, { name, requests, countsMax }: { name: string; requests: number; countsMax: number }): Policy | undefined {
  if (requests === 0) return undefined
  const counterBy = (by: CountedBy) => {
    const keyGenerator = by === 'network' ? networkKeyOf : credentialKeyOf
    // The plugin's types lack `cache`, so the object is not written into the call.
    const limit = { max: requests, timeWindow: WINDOW_SECONDS * 1000, cache: countsMax, keyGenerator }
    return app.createRateLimit(limit)
  }
  const counters = { network: counterBy('network'), credential: counterBy('credential'), code: counterBy('code') }
  return {
    header: `"${name}";q=${requests};w=${WINDOW_SECONDS}`,
    count: async (request, by) => {
      const counted = await counters[by](request)
      if (counted.isAllowed) throw new Error('The rate limit plugin exempted a request, although no exemption is configured.')
      return { remaining: counted.remaining, resetSeconds: counted.ttlInSeconds, exceeded: counted.isExceeded }
    },
  }
}

const WINDOW_SECONDS = 60

/**
 * Counters of each kind and policy; beyond this number the least recently used one is dropped. Each kind has counters of its own, so
 * a caller with many networks drops counts of networks only. Credentials and codes are counted once they are proven: it takes this
 * many valid ones within a minute to drop the count of one.
 */
const COUNTS_MAX = 50_000

type CountedBy = 'network' | 'credential' | 'code'

/** Without a proven credential it is the network. */
function countedBy(request: FastifyRequest, { proven, adminToken }: { proven: ProvenCredentials; adminToken: string }): CountedBy {
  const access = accessOfRoute(request)
  const sent = sentCredential(request, access)
  if (sent === undefined) return 'network'
  if (access.who === 'admin' && isAdminToken(sent.text, adminToken)) return 'credential'
  const credential = credentialOf(request, access, sent)
  if (!proven.has(credential)) return 'network'
  return credential[0] === 'code' ? 'code' : 'credential'
}

function networkKeyOf({ ip }: FastifyRequest): string {
  return networkOf(ip)
}

/** A digest of the credential that the route requires. */
function credentialKeyOf(request: FastifyRequest): string {
  const sent = sentCredential(request, accessOfRoute(request))
  return digestOf([sent?.by ?? '', sent?.text ?? ''])
}

function accessOfRoute({ routeOptions: { url = '', config } }: FastifyRequest): Access {
  return accessOf({ url, config })
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
