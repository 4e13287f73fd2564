import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../context.ts'

const WARN_EVERY_MS = 3_600_000

/**
 * Warns, at most once an hour, of a proxy that TRUSTED_PROXIES does not name. All its clients then have one address, so that the
 * wrong credentials of one of them, and all that they send without a proven credential, count for all of them.
 */
export function warnOfUntrustedProxies(app: FastifyInstance, { logger, now }: Pick<ApiContext, 'logger' | 'now'>): void {
  let warnedMs = Number.NEGATIVE_INFINITY
  app.addHook('onRequest', async ({ ip, socket, headers }) => {
    // The address of a client behind a trusted proxy is another one than that of the connection.
    const isForwarded = headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined
    if (!isForwarded || ip !== socket.remoteAddress || now() - warnedMs < WARN_EVERY_MS) return
    warnedMs = now()
    logger.warn(
      { address: ip },
      'a request was forwarded by an address that TRUSTED_PROXIES does not name: all clients behind it count as one address. If it is your proxy, add its network to TRUSTED_PROXIES and let it send X-Forwarded-For',
    )
  })
}
