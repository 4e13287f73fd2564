import type { FastifyInstance } from 'fastify'

export interface Listening {
  readonly url: string
  /** Finishes the requests in progress, rejects new ones, and closes. */
  close(): Promise<void>
}

/** Headers must be complete after this time: a client that sends them byte by byte occupies a connection. */
const HEAD_MS_MAX = 10_000
/** For the whole request: ten MiB of events over a slow line. */
const REQUEST_MS_MAX = 120_000
/** How often the two limits above are checked. */
const LOOK_AT_CONNECTIONS_MS = 1_000
/** Longer than load balancers keep a connection open; otherwise they would send a request on a connection that is being closed. */
const KEPT_ALIVE_MS = 72_000
/** For every route except those that take events. */
const BODY_BYTES_MAX = 1024 ** 2
/** Each connection is a file descriptor. Further ones are closed before anything is read from them. */
const CONNECTIONS_MAX = 8_192

/**
 * How long the server waits for its clients, and how much it accepts from them. How long a client waits is limited elsewhere: each
 * query, each call of Kafka and each wait for a slot has its own time limit.
 */
export const SERVER_LIMITS = {
  http: { headersTimeout: HEAD_MS_MAX, connectionsCheckingInterval: LOOK_AT_CONNECTIONS_MS },
  requestTimeout: REQUEST_MS_MAX,
  keepAliveTimeout: KEPT_ALIVE_MS,
  bodyLimit: BODY_BYTES_MAX,
}

export interface ListenOptions {
  readonly host: string
  readonly port: number
  /** The variables that the two come from. */
  readonly names?: { readonly host: string; readonly port: string }
}

const MAIN_LISTENER = { host: 'HOST', port: 'PORT' }

/** Listens, or explains why it cannot. Port 0 takes a free one. */
export async function listen(app: FastifyInstance, { host, port, names = MAIN_LISTENER }: ListenOptions): Promise<Listening> {
  app.server.maxConnections = CONNECTIONS_MAX
  try {
    await app.listen({ host, port })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE')
      throw new Error(`Port ${port} on ${host} is in use. Set ${names.port} to a free port, or stop the process that has it.`, { cause: error })
    if (code === 'EACCES') throw new Error(`This user may not listen on port ${port}. Set ${names.port} to one above 1023.`, { cause: error })
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new Error(`${names.host} ${host} is not an address of this machine. Set ${names.host} to one of its addresses, or to 0.0.0.0 for all.`, {
        cause: error,
      })
    throw error
  }
  const address = app.server.address()
  const listeningPort = typeof address === 'object' && address !== null ? address.port : port
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${listeningPort}`, close: () => app.close() }
}
