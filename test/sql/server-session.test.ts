import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { classifyStoreError } from '../../sql/errors.ts'
import { openServerSession } from '../../sql/server-session.ts'
import type { Session } from '../../sql/session.ts'

/** A server that misbehaves as none can be made to on demand. It answers the first request, which makes the database. */
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const INSERT = { table: 't', columns: ['a'], settings: {}, text: Buffer.from('1\n') }
const PATIENCE_MS = 200

const faults: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  'breaks the connection at once': (request) => request.socket.destroy(),
  'breaks the connection after the whole body': (request) => request.resume().on('end', () => request.socket.destroy()),
  'breaks the connection within its answer': (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.destroy())
  },
  'answers 503 without a code': (request, response) => request.resume().on('end', () => response.writeHead(503, { 'retry-after': '0' }).end('busy')),
  'falls silent within its answer': (_, response) => void response.writeHead(200).write('half'),
  'never answers': (request) => void request.resume(),
}

describe('P2: an insert is sent once, whatever happens to it', () => {
  for (const [name, fault] of Object.entries(faults)) {
    test(`the server ${name}`, async () => {
      const { session, requests } = await openOn(fault)
      await expect(session.insert(INSERT, PATIENCE_MS)).rejects.toThrow()
      // A request after it: one that had been sent again would have come before.
      await session.insert(INSERT, PATIENCE_MS).catch(() => {})
      expect(requests()).toBe(2)
    })
  }

  test('the server closes a connection that was kept alive, just as the next insert leaves', async () => {
    const { session, requests } = await openOn((request, response) => {
      request.resume().on('end', () => response.end('', () => request.socket.destroy()))
    })
    const outcomes = []
    for (let insert = 0; insert < 20; insert += 1)
      outcomes.push(
        await session.insert(INSERT, PATIENCE_MS).then(
          () => 'stored',
          () => 'unknown',
        ),
      )
    expect(requests()).toBeLessThanOrEqual(outcomes.length)
    expect(requests()).toBeGreaterThanOrEqual(outcomes.filter((outcome) => outcome === 'stored').length)
  })
})

describe('a server that cannot be reached or does not answer is unavailable, not a fault', () => {
  for (const name of ['breaks the connection at once', 'breaks the connection within its answer', 'falls silent within its answer', 'never answers']) {
    test(name, async () => {
      const { session } = await openOn(faults[name] ?? (() => {}))
      const error = await session.run('SELECT 1', PATIENCE_MS).catch(classifyStoreError)
      expect(error).toMatchObject({ name: 'StoreError', fault: 'unavailable' })
    })
  }

  test('nobody listens', async () => {
    const error = await openServerSession('http://127.0.0.1:1/meterline').catch(classifyStoreError)
    expect(error).toMatchObject({ name: 'StoreError', fault: 'unavailable' })
  })
})

test('P6: a stream that breaks off is an error, never a shorter answer', async () => {
  const { session } = await openOn((_, response) => {
    response.writeHead(200) // chunked, as ClickHouse answers, and cut at the end of a row
    response.write('1\n2\n', () => response.destroy())
  })
  const pieces: string[] = []
  const read = async () => {
    for await (const piece of session.stream('SELECT number FROM numbers(3)', 'TabSeparated')) pieces.push(Buffer.from(piece).toString())
  }
  expect(await read().catch(classifyStoreError)).toMatchObject({ fault: 'unavailable' })
})

describe('P6: a server that fails within a stream', () => {
  const TAG = 'FOOBARxyz1234567'
  const rows = '1\n2\n'.repeat(40_000)
  const read = async (body: string) => {
    const { session } = await openOn((_, response) => {
      response.writeHead(200, { 'x-clickhouse-exception-tag': TAG })
      response.end(body)
    })
    let text = ''
    for await (const piece of session.stream('SELECT number FROM numbers(3)', 'TabSeparated')) text += Buffer.from(piece).toString()
    return text
  }

  test('ends it with a text of its own, which is an error and no answer', async () => {
    const message = 'Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)'
    const body = `${rows}\r\n__exception__\r\n${TAG}\r\n${message}\r\n${message.length} ${TAG}\r\n__exception__\r\n`
    expect(await read(body).catch(classifyStoreError)).toMatchObject({ fault: 'unavailable', code: 241 })
  })

  test('and a whole answer arrives whole, whatever it says', async () => {
    expect(await read(rows)).toBe(rows)
    expect(await read('__exception__\r\nof a customer\n')).toBe('__exception__\r\nof a customer\n')
  })
})

async function openOn(fault: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ session: Session; requests: () => number }> {
  let requests = -1
  const server = createServer((request, response) => {
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
