import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { classifyStoreError } from '../../sql/errors.ts'
import { openServerSession } from '../../sql/server-session.ts'
import type { Session } from '../../sql/session.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const INSERT = { table: 't', columns: ['a'], settings: {}, text: Buffer.from('1\n') }
const TIMEOUT_MS = 200

/** Faults that a real server cannot be made to have on demand. Before them, it answers the requests that create the database and open a session. */
const faults: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  'breaks the connection immediately': (request) => request.socket.destroy(),
  'breaks the connection after the whole body': (request) => request.resume().on('end', () => request.socket.destroy()),
  'breaks the connection within its response': (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.destroy())
  },
  'answers 503 without a code': (request, response) => request.resume().on('end', () => response.writeHead(503, { 'retry-after': '0' }).end('busy')),
  'stops sending within its response': (_, response) => void response.writeHead(200).write('half'),
  'never answers': (request) => void request.resume(),
}

describe('P2: an insert is sent only once', () => {
  for (const [name, fault] of Object.entries(faults)) {
    test(`an insert is sent only once if the server ${name}`, async () => {
      const { session, requests } = await openOn(fault)
      await expect(session.insert(INSERT, TIMEOUT_MS)).rejects.toThrow()
      // If the first insert had been repeated, the repetition would have been counted before this request.
      await session.insert(INSERT, TIMEOUT_MS).catch(() => {})
      expect(requests()).toBe(2)
    })
  }

  test('an insert is sent only once if the server closes a keep-alive connection as the insert is sent', async () => {
    const { session, requests } = await openOn((request, response) => {
      request.resume().on('end', () => response.end('', () => request.socket.destroy()))
    })
    const outcomes = []
    for (let insert = 0; insert < 20; insert += 1)
      outcomes.push(
        await session.insert(INSERT, TIMEOUT_MS).then(
          () => 'stored',
          () => 'unknown',
        ),
      )
    expect(requests()).toBeLessThanOrEqual(outcomes.length)
    expect(requests()).toBeGreaterThanOrEqual(outcomes.filter((outcome) => outcome === 'stored').length)
  })
})

describe('a server without an answer', () => {
  for (const name of ['breaks the connection immediately', 'breaks the connection within its response', 'stops sending within its response', 'never answers']) {
    test(`a server that ${name} is reported as unavailable, not as a fault`, async () => {
      const { session } = await openOn(faults[name] ?? (() => {}))
      const error = await session.run('SELECT 1', TIMEOUT_MS).catch(classifyStoreError)
      expect(error).toMatchObject({ name: 'StoreError', fault: 'unavailable' })
    })
  }

  test('a server that does not listen is reported as unavailable, not as a fault', async () => {
    const error = await openServerSession('http://127.0.0.1:1/meterline').catch(classifyStoreError)
    expect(error).toMatchObject({ name: 'StoreError', fault: 'unavailable' })
  })
})

test('P6: a stream that is cut off is an error, never a shorter result', async () => {
  const { session } = await openOn((_, response) => {
    response.writeHead(200) // chunked, like responses of ClickHouse, and cut off at the end of a row
    response.write('1\n2\n', () => response.destroy())
  })
  const chunks: string[] = []
  const read = async () => {
    for await (const chunk of session.stream('SELECT number FROM numbers(3)', 'TabSeparated')) chunks.push(Buffer.from(chunk).toString())
  }
  expect(await read().catch(classifyStoreError)).toMatchObject({ fault: 'unavailable' })
})

describe('P6: the error of a server within a stream', () => {
  const TAG = 'FOOBARxyz1234567'
  const rows = '1\n2\n'.repeat(40_000)
  const read = async (body: string) => {
    const { session } = await openOn((_, response) => {
      response.writeHead(200, { 'x-clickhouse-exception-tag': TAG })
      response.end(body)
    })
    let text = ''
    for await (const chunk of session.stream('SELECT number FROM numbers(3)', 'TabSeparated')) text += Buffer.from(chunk).toString()
    return text
  }

  test('P6: the error text that a server appends to a stream is thrown, not returned as rows', async () => {
    const message = 'Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)'
    const body = `${rows}\r\n__exception__\r\n${TAG}\r\n${message}\r\n${message.length} ${TAG}\r\n__exception__\r\n`
    expect(await read(body).catch(classifyStoreError)).toMatchObject({ fault: 'unavailable', code: 241 })
  })

  test('P6: a complete stream is returned complete, even if a row contains the mark of an error', async () => {
    expect(await read(rows)).toBe(rows)
    expect(await read('__exception__\r\nof a customer\n')).toBe('__exception__\r\nof a customer\n')
  })
})

async function openOn(fault: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ session: Session; requests: () => number }> {
  let requests = -1
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://any')
    if (searchParams.has('session_id') && !searchParams.has('session_check')) return void request.resume().on('end', () => response.end())
    requests += 1
    if (requests === 0) request.resume().on('end', () => response.end())
    else fault(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const session = await openServerSession(`http://127.0.0.1:${(server.address() as AddressInfo).port}/meterline`)
  closers.push(() => session.close())
  return { session, requests: () => requests }
}
