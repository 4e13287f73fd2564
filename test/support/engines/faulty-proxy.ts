import { once } from 'node:events'
import { createServer, type IncomingMessage, request as open, type RequestOptions } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * What happens to one insert on its way to a ClickHouse server: the connection breaks when half of the request has arrived, or when
 * all of it has but before its answer; the proxy sends it again after it was answered, or a second time at once; or the server
 * may use only so many bytes of memory for it.
 */
export type ProxyFault = 'cut within the request' | 'cut before the answer' | 'sent again' | 'sent twice at once' | { readonly memoryBytesMax: number }

export interface FaultyProxy {
  /** The URL of the same database through this proxy. */
  readonly url: string
  /** The next insert into `table` has the fault. Returns whether it has occurred. */
  faultNext(table: string, fault: ProxyFault): () => boolean
  close(): void
}

interface Sent extends RequestOptions {
  readonly path: string
  readonly body: Buffer
}

/** Starts a proxy in front of a database, which passes on every request as it is until it is told otherwise. */
export async function openFaultyProxy(databaseUrl: string): Promise<FaultyProxy> {
  let armed: { table: string; fault: ProxyFault } | undefined
  const server = createServer((request, response) => {
    const pass = async () => {
      const sent = await readRequest(request, new URL(databaseUrl))
      const fault = armed !== undefined && isInsertInto(sent, armed.table) ? armed.fault : undefined
      if (fault !== undefined) armed = undefined
      const answer = await sendWith(fault, sent)
      answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers))
    }
    pass().catch(() => request.socket.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const through = new URL(databaseUrl)
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: through.toString(),
    faultNext: (table, fault) => {
      const mine = { table, fault }
      armed = mine
      return () => armed !== mine
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Rejects when the client's connection is to break. */
async function sendWith(fault: ProxyFault | undefined, sent: Sent): Promise<IncomingMessage> {
  if (fault === undefined) return send(sent)
  if (typeof fault === 'object') return send({ ...sent, path: `${sent.path}&max_memory_usage=${fault.memoryBytesMax}` })
  switch (fault) {
    case 'cut within the request':
      await sendHalf(sent)
      throw new Error(fault)
    case 'cut before the answer':
      await finish(await send(sent))
      throw new Error(fault)
    case 'sent again':
      await finish(await send(sent))
      return send(sent)
    case 'sent twice at once': {
      // Either may reach the server first. The client gets the answer of the one that was refused, for which its rows seem lost.
      const [stored, refused] = (await Promise.all([send(sent), send(sent)])).sort((a, b) => (a.statusCode ?? 0) - (b.statusCode ?? 0)) as [
        IncomingMessage,
        IncomingMessage,
      ]
      await finish(stored)
      return refused
    }
  }
}

async function readRequest(request: IncomingMessage, { hostname, port }: URL): Promise<Sent> {
  const { method = 'GET', url: path = '/', headers } = request
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return { hostname, port, method, path, headers, body: Buffer.concat(chunks), agent: false }
}

/** The statement is in the URL if rows follow it, else in the body. */
function isInsertInto({ path, body }: Sent, table: string): boolean {
  const statement = new URL(path, 'http://any').searchParams.get('query') ?? body.toString('utf8')
  return statement.startsWith(`INSERT INTO ${table} `)
}

async function send({ body, ...options }: Sent): Promise<IncomingMessage> {
  const request = open(options)
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  request.end(body)
  return (await answered)[0]
}

/** The half ends at the end of a row, and of a chunk of HTTP: only the end of the request is missing. */
async function sendHalf({ body, ...options }: Sent): Promise<void> {
  const request = open(options).on('error', () => {})
  const half = body.subarray(0, body.indexOf('\n', body.length / 2) + 1)
  await new Promise((resolve) => request.write(half, resolve))
  request.destroy()
}

async function finish(answer: IncomingMessage): Promise<void> {
  await once(answer.resume(), 'end')
}
