import type { FastifyInstance } from 'fastify'

export interface Listening {
  readonly url: string
  /** Answers what has begun, refuses what comes, and closes. */
  close(): Promise<void>
}

/** Listens, or explains why it cannot. Port 0 takes a free one. */
export async function listen(app: FastifyInstance, { host, port }: { host: string; port: number }): Promise<Listening> {
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
