import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { ApiError } from '../errors/errors.ts'
import { KeyedSemaphore, type Release } from './keyed-semaphore.ts'

const STREAMS_PER_PARTNER_MAX = 4
const STREAMS_MAX = 16
const SILENCE_MS_MAX = 60_000

/**
 * Statements are streamed as fast as their reader takes them, and each occupies a session of the store until it ends. So the
 * number of open streams is limited, per partner and in total, and a reader that takes nothing is disconnected.
 */
export class StatementStreams {
  readonly #open = new KeyedSemaphore({ perKeyMax: STREAMS_PER_PARTNER_MAX, totalMax: STREAMS_MAX, waitingPerKeyMax: 0, waitMsMax: 0 })

  /** Returns what ends the stream. Throws ApiError if the partner, or all partners together, have too many open. */
  begin(partnerId: string): Release {
    const end = this.#open.tryAcquire(partnerId)
    if (end === undefined) throw new ApiError('STATEMENTS_BUSY')
    return end
  }

  /** Calls `end` after the last byte, after an error, or when the client has gone away or takes nothing any more. */
  endWith(stream: Readable, reply: FastifyReply, end: Release): void {
    stream.once('close', end)
    reply.raw.setTimeout(SILENCE_MS_MAX, () => reply.raw.destroy())
  }
}
