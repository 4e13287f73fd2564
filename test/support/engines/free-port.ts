import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Random } from '../random.ts'

/** Below the ports from which systems make outgoing connections. A client could otherwise get the port of a server that restarts. */
const [FIRST, COUNT] = [20_000, 12_000]
const random = new Random(process.pid)

/** A port of the loopback interface on which nothing listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + random.below(COUNT)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port === port
  } catch {
    return false
  } finally {
    server.close()
  }
}
