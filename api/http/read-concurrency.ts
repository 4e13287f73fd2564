import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from '../errors/errors.ts'
import { KeyedSemaphore, type Release } from './keyed-semaphore.ts'
import { SharedSlots } from './shared-slots.ts'

/** Below the sessions that the store has for reads (sql/clickhouse.ts), so that one caller cannot occupy all of them. */
const READS_PER_CALLER_MAX = 2
const WAITING_PER_CALLER_MAX = 200
const WAIT_MS_MAX = 30_000

/**
 * Every caller except an operator runs a few reads at a time, and its next ones wait: the store has few read sessions, and
 * fifty slow reports of one partner, or fifty lists of one ingest key, would hold up the short query of every other caller.
 * Writes need no slot: one of them may wait for the platform (wait_for_completion), and changes of the registry have a queue
 * of their own.
 */
export function limitConcurrentReads(app: FastifyInstance): void {
  const slots = new KeyedSemaphore({
    perKeyMax: READS_PER_CALLER_MAX,
    totalMax: Number.POSITIVE_INFINITY,
    waitingPerKeyMax: WAITING_PER_CALLER_MAX,
    waitMsMax: WAIT_MS_MAX,
  })
  const reads = new SharedSlots(slots)
  app.addHook('preHandler', async (request, reply) => {
    const caller = limitedCaller(request)
    if (caller === undefined) return
    const release = await reads.acquire(caller, kindOf(request))
    if (release === undefined) throw new ApiError('TOO_MANY_AT_ONCE')
    request.releaseRead = release
    // A client that gave up while waiting reads no answer, so the store need not be queried for it.
    if (reply.raw.destroyed) throw new ApiError('TOO_MANY_AT_ONCE')
  })
  // When the handler has ended, not when the client goes away: its query runs all the same. A stream gives its slot back before
  // its first byte, because its reader may be slow; streams have limits of their own (open-streams.ts).
  app.addHook('onSend', async (request) => request.releaseRead?.())
}

/** Requests of one kind differ only in what their shared statements read by key: the project in the path. */
function kindOf({ routeOptions, url, query: parameters }: FastifyRequest): string | undefined {
  if (routeOptions.config.sharesStatements?.(parameters as Record<string, unknown>) !== true) return undefined
  const query = url.indexOf('?')
  return `${routeOptions.url}${query === -1 ? '' : url.slice(query)}`
}

/** The caller whose reads are limited together: a partner, an ingest key, or an admin token of a role other than operator. */
function limitedCaller({ method, is404, identity }: FastifyRequest): string | undefined {
  if (is404 || (method !== 'GET' && method !== 'HEAD') || identity === undefined) return undefined
  if (identity.who === 'partner') return `partner/${identity.partner.id}`
  if (identity.who === 'emitter') return `ingest-key/${identity.ingestKey.id}`
  return identity.token === undefined || identity.token.role === 'operator' ? undefined : `admin/${identity.token.id}`
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether requests with this query string, of any project, share all their statements (sql/read-by-key.ts). */
    sharesStatements?: (query: Readonly<Record<string, unknown>>) => boolean
  }
  interface FastifyRequest {
    releaseRead?: Release
  }
}
