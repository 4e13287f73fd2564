import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ReceivedRequest {
  readonly method: string | undefined
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Buffer
}

/** A real HTTP server on loopback. It counts its connections, whether or not they are answered. */
export async function startWebhookReceiver(answer: RequestListener = (_, response) => response.end('ok')) {
  const requests: ReceivedRequest[] = []
  let connections = 0
  let open = 0
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      requests.push({
        method: request.method,
        path: request.url ?? '',
        headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
        body: Buffer.concat(chunks),
      })
      answer(request, response)
    })
  })
  server.on('connection', (socket) => {
    connections += 1
    open += 1
    socket.on('close', () => {
      open -= 1
    })
    socket.on('error', () => {})
  })
  server.on('clientError', (_, socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/hook`, port, requests, connections: () => connections, open: () => open, stop }
}
