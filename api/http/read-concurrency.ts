import type { FastifyInstance, FastifyRequest } from 'fastify'
import { accessOf } from '../auth/access.ts'
import { ApiError } from '../errors/errors.ts'

/**
 * Each partner has a few reads under way, and the next ones of the same partner wait for their turn: the store has few
 * sessions, and fifty slow reports of one partner would hold up the short question of every other. Writes take no turn: one
 * may wait for the platform (wait_for_completion), and the registry's changes have an order of their own.
 */
export function takeTurns(app: FastifyInstance): void {
  const turns = new PartnerTurns()
  app.addHook('preHandler', async (request, reply) => {
    if (request.is404 || !isPartnersRead(request) || request.identity?.who !== 'partner') return
    const end = await turns.take(request.identity.partner.id)
    request.endTurn = end
    // Whoever gave up while waiting reads no answer, and the store need not be asked for it.
    if (reply.raw.destroyed) throw new ApiError('TOO_MANY_AT_ONCE')
  })
  // When the handler has ended, and not when a client goes away: its question is asked all the same. A stream ends its turn before
  // its first byte: it is taken as slowly as its reader likes, and streams are counted by themselves.
  app.addHook('onSend', async (request) => request.endTurn?.())
}

function isPartnersRead({ method, routeOptions: { url = '', config } }: FastifyRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && accessOf({ url, config }).who === 'partner'
}

interface Partners {
  running: number
  readonly waiting: (() => void)[]
}

/** Turns by partner, in the order they were asked for. */
export class PartnerTurns {
  readonly #partners = new Map<string, Partners>()

  /** Resolves when it is the caller's turn, with what ends it. Throws ApiError when it would come too late. */
  async take(partnerId: string): Promise<() => void> {
    const own = this.#partners.get(partnerId) ?? { running: 0, waiting: [] }
    this.#partners.set(partnerId, own)
    if (own.running < RUNNING_MAX) own.running += 1
    else await inTurn(own.waiting)
    let ended = false
    return () => {
      if (ended) return
      ended = true
      this.#end(partnerId, own)
    }
  }

  /** The turn goes to who waits longest, so `running` stays as it is while someone waits. */
  #end(partnerId: string, own: Partners): void {
    const next = own.waiting.shift()
    if (next !== undefined) next()
    else own.running -= 1
    if (own.running === 0) this.#partners.delete(partnerId)
  }
}

function inTurn(waiting: (() => void)[]): Promise<void> {
  if (waiting.length >= WAITING_MAX) return Promise.reject(new ApiError('TOO_MANY_AT_ONCE'))
  return new Promise((resolve, reject) => {
    const begin = () => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(begin), 1)
      reject(new ApiError('TOO_MANY_AT_ONCE'))
    }, WAIT_MS_MAX)
    waiting.push(begin)
  })
}

/** Below the sessions that the store has for reads, so that one is left for the others. */
const RUNNING_MAX = 2
const WAITING_MAX = 200
const WAIT_MS_MAX = 30_000

declare module 'fastify' {
  interface FastifyRequest {
    endTurn?: () => void
  }
}
