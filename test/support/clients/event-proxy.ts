import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What happens to a request with events: its answer, or the request itself, may get lost, or the proxy answers. */
export type Treatment = 'forward' | 'lose_answer' | 'lose_request' | { readonly status: number; readonly body: string }

export interface EventProxyOptions {
  /** Where the service is reached now. */
  readonly target: () => string
  readonly treat: (body: Buffer) => Treatment
  /** Called when a request or an answer is lost, before the connection breaks. */
  readonly onLost?: () => Promise<void> | void
}

/** A server between an emitter and the service, with an address that stays when the service is restarted. */
export async function startEventProxy({ target, treat, onLost }: EventProxyOptions) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const treatment = request.url === '/v1/events' ? treat(body) : 'forward'
    if (typeof treatment === 'object') return response.writeHead(treatment.status).end(treatment.body)
    const answer = treatment === 'lose_request' ? undefined : await forward(request, body, target())
    if (treatment !== 'forward') await onLost?.()
    if (treatment === 'forward' && answer !== undefined) return send(response, answer)
    return request.socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Undefined if the service does not answer. */
async function forward(request: IncomingMessage, body: Buffer, target: string): Promise<Response | undefined> {
  const headers = { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' }
  return fetch(`${target}${request.url}`, { method: request.method ?? 'GET', headers, ...(body.length > 0 ? { body } : {}) }).catch(() => undefined)
}

async function send(response: ServerResponse, answer: Response): Promise<void> {
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(await answer.text())
}
