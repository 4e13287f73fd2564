import type { FastifyInstance } from 'fastify'

export interface Listening {
  readonly url: string
  /** Answers what has begun, refuses what comes, and closes. */
  close(): Promise<void>
}

/** A head that is not whole after so long is not waited for; whoever sends it byte by byte holds a connection. */
const HEAD_MS_MAX = 10_000
/** The whole request: ten MiB of events over a slow line. */
const REQUEST_MS_MAX = 120_000
/** How often the two above are looked at. */
const LOOK_AT_CONNECTIONS_MS = 1_000
/** Longer than load balancers keep a connection open, or they would send a request into one that is just being closed. */
const KEPT_ALIVE_MS = 72_000
/** Of every route but those that take events (ingest/event/decode-body.ts). */
const BODY_BYTES_MAX = 1024 ** 2
/** Each is a file descriptor. Those beyond are closed before anything is read of them. */
const CONNECTIONS_MAX = 8_192

/**
 * How long the server waits for its clients, and how much it takes of them. How long a client waits is not among it: each
 * question to the store, to Kafka and for a turn has a limit of its own, and none waits for ever.
 */
export const SERVER_LIMITS = {
  http: { headersTimeout: HEAD_MS_MAX, connectionsCheckingInterval: LOOK_AT_CONNECTIONS_MS },
  requestTimeout: REQUEST_MS_MAX,
  keepAliveTimeout: KEPT_ALIVE_MS,
  bodyLimit: BODY_BYTES_MAX,
}

/** Listens, or explains why it cannot. Port 0 takes a free one. */
export async function listen(app: FastifyInstance, { host, port }: { host: string; port: number }): Promise<Listening> {
  app.server.maxConnections = CONNECTIONS_MAX
  try {
    await app.listen({ host, port })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE') throw new Error(`Port ${port} on ${host} is in use. Set PORT to a free port, or stop the process that has it.`, { cause: error })
    if (code === 'EACCES') throw new Error(`This user may not listen on port ${port}. Set PORT to one above 1023.`, { cause: error })
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') throw new Error(`HOST ${host} is no address of this machine.`, { cause: error })
    throw error
  }
  const address = app.server.address()
  const listeningPort = typeof address === 'object' && address !== null ? address.port : port
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${listeningPort}`, close: () => app.close() }
}
