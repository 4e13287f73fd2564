import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { ApiError } from '../errors/errors.ts'

/**
 * Statements are streamed as their reader takes them, and each holds a session of the store until it ends: so a few are sent at a
 * time, fewer to one partner, and one whose reader takes nothing is broken off.
 */
export class StatementStreams {
  readonly #running = new Map<string, number>()

  /** Throws ApiError when the partner, or all of them, have too many open. */
  begin(partnerId: string): void {
    const own = this.#running.get(partnerId) ?? 0
    const all = [...this.#running.values()].reduce((sum, each) => sum + each, 0)
    if (own >= OF_A_PARTNER_MAX || all >= OF_ALL_MAX) throw new ApiError('STATEMENTS_BUSY')
    this.#running.set(partnerId, own + 1)
  }

  end(partnerId: string): void {
    const left = (this.#running.get(partnerId) ?? 1) - 1
    if (left > 0) this.#running.set(partnerId, left)
    else this.#running.delete(partnerId)
  }

  /** Ends with the last byte, an error, or a client that went away or takes nothing any more. */
  endWith(stream: Readable, reply: FastifyReply, partnerId: string): void {
    stream.once('close', () => this.end(partnerId))
    reply.raw.setTimeout(SILENCE_MS_MAX, () => reply.raw.destroy())
  }
}

const OF_A_PARTNER_MAX = 4
const OF_ALL_MAX = 16
const SILENCE_MS_MAX = 60_000
