import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, test } from 'vitest'
import { readConfig } from '../../service/config.ts'
import { openStore } from '../../service/open-store.ts'
import { startClickHouseServer } from '../support/engines/clickhouse-server.ts'
import { runMeterline, spawnMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const SECRETS = { ADMIN_TOKEN: 'a'.repeat(32), MASTER_KEY: Buffer.alloc(32).toString('base64') }
const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('a process whose ClickHouse server is not there at its start', () => {
  test('waits for it and says so, and is ready when it has come up', async () => {
    const port = await freePort()
    const child = spawnMeterline(['aggregate'], { ...SECRETS, PORT: '0', CLICKHOUSE_URL: `http://127.0.0.1:${port}` })
    ending.push(() => child.kill('SIGKILL'))
    const said: string[] = []
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      said.push(line)
      if (line.includes('ClickHouse does not answer yet; waiting for it') && said.length === 1) {
        const directory = makeTemporaryDirectory()
        const server = await startClickHouseServer({ dataDir: directory.path, port })
        ending.push(directory.remove, server.stop)
      }
      if (line.includes('"Meterline is ready"')) break
    }
    expect(said[0]).toContain(`127.0.0.1:${port}`)
    expect(said.at(-1)).toContain('"parts":"aggregate"')
  })

  test('waits no longer than it may, then fails with the reason', async () => {
    const config = readConfig({ ...SECRETS, CLICKHOUSE_URL: 'http://127.0.0.1:1' })
    const said: string[] = []
    const opened = openStore(config, { logger: { warn: (_, message) => said.push(message) }, waitMsMax: 1_000 })
    await expect(opened).rejects.toMatchObject({ fault: 'unavailable', message: expect.stringContaining('127.0.0.1:1') })
    expect(said).toEqual(['ClickHouse does not answer yet; waiting for it'])
  })

  test('is not waited for when it refuses the credentials: exit code 1 at once, in one line', async () => {
    // 516 is AUTHENTICATION_FAILED, 497 ACCESS_DENIED: the user is known and may not.
    for (const code of [516, 497]) {
      const server = createServer((_request, response) => {
        response.writeHead(403, { 'X-ClickHouse-Exception-Code': String(code) }).end(`Code: ${code}. DB::Exception: meterline: refused. (REFUSED)`)
      }).listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      ending.push(() => server.close())
      const url = `http://meterline:wrong@127.0.0.1:${(server.address() as AddressInfo).port}`
      for (const verb of ['aggregate', 'migrate']) {
        const { code: exitCode, stdout, stderr } = await runMeterline([verb], { ...SECRETS, PORT: '0', CLICKHOUSE_URL: url })
        expect([exitCode, stdout]).toEqual([1, ''])
        expect(stderr).toMatch(/^error: .*refused/)
        expect(stderr.trim().split('\n')).toHaveLength(1)
        expect(stderr).not.toContain('wrong')
      }
    }
  })
})
