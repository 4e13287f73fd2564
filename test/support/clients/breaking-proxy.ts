import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BreakingProxy {
  readonly url: string
  close(): void
}

/** A proxy of a service that breaks the connection of one kind of request ("POST /path"), before or after it is forwarded. */
export async function startBreakingProxy(target: string, when: 'before' | 'after', request: string): Promise<BreakingProxy> {
  const proxy = createServer(async (received, response) => {
    const { url = '', method = '', socket } = received
    const breaks = `${method} ${url}` === request
    if (breaks && when === 'before') return socket.destroy()
    const chunks = await received.toArray()
    const headers = { authorization: received.headers.authorization ?? '', 'content-type': 'application/json' }
    const answer = await fetch(`${target}${url}`, { method, headers, ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }) })
    if (breaks) return socket.destroy()
    return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, close: () => proxy.close() }
}
