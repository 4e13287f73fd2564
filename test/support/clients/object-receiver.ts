import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestCertificates } from '../tls/test-certificates.ts'

/** What happens to an upload. `stored and silent`: it is stored, but its answer is lost. */
export type UploadFault = 'none' | '500' | '429' | 'hang up in the middle' | 'stored and silent' | 'slow'

export interface StoredObject {
  readonly name: string
  readonly bytes: Buffer
  readonly headers: IncomingMessage['headers']
}

/**
 * A bucket: it stores what PUT sends, if all of its bytes arrive, in the order of arrival. It rejects another content under a name
 * that it has, and an object whose name has another hash than its bytes. With a certificate it speaks HTTPS only, as localhost.
 */
export async function startObjectReceiver(faultOf: (name: string) => UploadFault = () => 'none', tls?: Pick<TestCertificates, 'cert' | 'key'>) {
  const stored: StoredObject[] = []
  const problems: string[] = []
  let uploads = 0
  const store = (name: string, request: IncomingMessage, bytes: Buffer) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const inName = /-([0-9a-f]{64})\.\w+$/.exec(name)?.[1]
    if (inName !== undefined && inName !== sha256) problems.push(`${name} has other bytes than its name says`)
    if (stored.some((each) => each.name === name && !each.bytes.equals(bytes))) problems.push(`${name} was overwritten with other bytes`)
    if (name.endsWith('.manifest.json')) {
      const manifest = JSON.parse(bytes.toString())
      const object = stored.find((each) => each.name === manifest.name)
      if (object?.bytes.length !== manifest.bytes) problems.push(`${name} arrived before its object`)
    }
    stored.push({ name, bytes, headers: request.headers })
  }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    uploads += 1
    const name = decodeURIComponent((request.url ?? '').replace(/^\/in\//, ''))
    const fault = faultOf(name)
    if (fault === '500' || fault === '429') return void response.writeHead(Number(fault)).end()
    const chunks: Buffer[] = []
    for await (const chunk of request) {
      chunks.push(chunk)
      if (fault === 'hang up in the middle') return void request.socket.destroy()
    }
    const bytes = Buffer.concat(chunks)
    if (bytes.length !== Number(request.headers['content-length'])) return void response.writeHead(400).end()
    store(name, request, bytes)
    if (fault === 'stored and silent') return void request.socket.destroy()
    if (fault === 'slow') return
    response.writeHead(201).end()
  }
  const listener: RequestListener = (request, response) => void answer(request, response).catch(() => request.socket.destroy())
  const server = tls === undefined ? createServer(listener) : createHttpsServer(tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  return { url: tls === undefined ? `http://127.0.0.1:${port}/in` : `https://localhost:${port}/in`, stored, problems, uploads: () => uploads, stop }
}
