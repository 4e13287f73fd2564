import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, test } from 'vitest'
import { readConfig } from '../../service/config.ts'
import { openStore } from '../../service/open-store.ts'
import { startClickHouseServer } from '../support/engines/clickhouse-server.ts'
import { freePort } from '../support/engines/free-port.ts'
import { runMeterline, spawnMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const SECRETS = { ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef', MASTER_KEY: Buffer.from('a master key for tests, 32 bytes').toString('base64') }
const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

describe('opening a ClickHouse server', () => {
  test('a process whose ClickHouse server does not answer yet logs that it waits, and becomes ready when the server comes up', async () => {
    const port = await freePort()
    const child = spawnMeterline(['aggregate'], { ...SECRETS, PORT: '0', CLICKHOUSE_URL: `http://127.0.0.1:${port}` })
    ending.push(() => child.kill('SIGKILL'))
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      lines.push(line)
      if (line.includes('ClickHouse does not answer yet; waiting for it') && lines.length === 1) {
        const server = await startClickHouseServer({ dataDir: makeTemporaryDirectory().path, port, temporary: true })
        ending.push(server.kill)
      }
      if (line.includes('"Meterline is ready"')) break
    }
    expect(lines[0]).toContain(`127.0.0.1:${port}`)
    expect(lines.at(-1)).toContain('"part":"aggregate"')
  })

  test('a process stops waiting for its ClickHouse server after the limit and fails with the reason', async () => {
    const config = readConfig({ ...SECRETS, CLICKHOUSE_URL: 'http://127.0.0.1:1' })
    const lines: string[] = []
    const opened = openStore(config, { logger: { warn: (_, message) => lines.push(message) }, waitMsMax: 1_000 })
    await expect(opened).rejects.toMatchObject({ fault: 'unavailable', message: expect.stringContaining('127.0.0.1:1') })
    expect(lines).toEqual(['ClickHouse does not answer yet; waiting for it'])
  })

  test('a ClickHouse server that rejects the credentials is not retried: the command exits 1 with one line', async () => {
    // 516 is AUTHENTICATION_FAILED, 497 ACCESS_DENIED: the user exists but has no permission.
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
