import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { completeFrom } from '../../cli/env-file.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { openClickHouse } from '../../sql/clickhouse.ts'
import { MeterlineClient } from '../support/clients/client.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService } from '../support/worlds/test-service.ts'

const directory = makeTemporaryDirectory()
let running: ServiceProcess
beforeAll(async () => {
  running = await startServiceProcess({ DATA_DIR: directory.path })
})
afterAll(async () => {
  await running.stop()
  directory.remove()
})

describe('a start that fails', () => {
  test('an invalid configuration fails the start with exit code 1 and reports all errors together', async () => {
    const { code, stderr } = await runMeterline(['start'], {
      PORT: 'eighty',
      CLICKHOUSE_URL: 'localhost:8123',
      MASTER_KEY: 'short',
      ADMIN_TOKEN: 'with a space',
      LOG_LEVEL: 'loud',
      RATE_LIMIT_PER_MINUTE: '-1',
      PROJECT_HOST: 'x',
    })
    expect(code).toBe(1)
    for (const name of ['PORT', 'CLICKHOUSE_URL', 'MASTER_KEY', 'ADMIN_TOKEN', 'LOG_LEVEL', 'RATE_LIMIT_PER_MINUTE', 'PROJECT_HOST'])
      expect(stderr).toMatch(new RegExp(`^  ${name}: `, 'm'))
    expect(stderr).toContain('ADMIN_TOKEN: must consist of printable ASCII characters without spaces')
    expect(stderr).not.toContain('    at ')
  })

  test('with CLICKHOUSE_URL the start requires ADMIN_TOKEN and MASTER_KEY, which all processes share', async () => {
    const { code, stderr } = await runMeterline(['start'], { CLICKHOUSE_URL: 'http://127.0.0.1:1' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/ADMIN_TOKEN: is required when CLICKHOUSE_URL is set\n {2}MASTER_KEY: is required/)
  })

  test('a start on a data directory in use fails and names the process that uses it', async () => {
    const { code, stderr } = await runMeterline(['start'], { DATA_DIR: directory.path, PORT: '0' })
    expect(code).toBe(1)
    expect(stderr).toContain(`is in use by process ${running.child.pid}. Stop that process, or set DATA_DIR`)
  })

  test('a DATA_DIR below a file fails the start and says to set DATA_DIR', async () => {
    const file = join(directory.path, 'a-file')
    writeFileSync(file, '')
    const { code, stderr } = await runMeterline(['start'], { DATA_DIR: join(file, 'data'), PORT: '0' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^error: The data directory .* cannot be read and written .* Set DATA_DIR/)
  })

  test.skipIf(process.getuid?.() === 0)('a data directory that this user cannot read fails the start', async () => {
    const closed = join(directory.path, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o000)
    const { code, stderr } = await runMeterline(['start'], { DATA_DIR: closed, PORT: '0' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/cannot be read and written/)
  })

  test.each(['short', ''])('an invalid token in the file admin-token fails the start and leaves the file unchanged: "%s"', async (token) => {
    const own = makeTemporaryDirectory()
    writeFileSync(join(own.path, 'admin-token'), token, { mode: 0o600 })
    const { code, stderr } = await runMeterline(['start'], { DATA_DIR: own.path, PORT: '0' })
    expect([code, readFileSync(join(own.path, 'admin-token'), 'utf8')]).toEqual([1, token])
    expect(stderr).toMatch(/^error: .*admin-token: the token must .*Replace the token, or remove the file/)
    own.remove()
  })

  test.each(['admin-token', 'master-key'])('a file %s that others can read fails the start and says how to close it', async (name) => {
    const own = makeTemporaryDirectory()
    const path = join(own.path, name)
    writeFileSync(path, randomBytes(32).toString('base64'))
    chmodSync(path, 0o644)
    const { code, stderr } = await runMeterline(['start'], { DATA_DIR: own.path, PORT: '0' })
    expect([code, stderr]).toEqual([1, expect.stringContaining(`error: ${path} has mode 0644, so that others can read or change it; run "chmod 600 ${path}"`)])
    own.remove()
  })

  test('a port in use fails the start and says to set PORT', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const own = makeTemporaryDirectory()
    const { code, stderr } = await runMeterline(['start'], { DATA_DIR: own.path, PORT: String(port) })
    server.close()
    own.remove()
    expect(code).toBe(1)
    expect(stderr).toContain(`error: Port ${port} on 127.0.0.1 is in use. Set PORT to a free port`)
  })

  test('a database that is newer than the code fails start and migrate', async () => {
    const own = makeTemporaryDirectory()
    expect(await runMeterline(['migrate'], { DATA_DIR: own.path })).toMatchObject({ code: 0 })
    expect(await runMeterline(['migrate'], { DATA_DIR: own.path })).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' })
    const clickhouse = await openClickHouse({ engine: 'embedded', directory: join(own.path, 'clickhouse') })
    await clickhouse.control.insert({ table: 'schema_migrations_v1', columns: ['number', 'name', 'sha256'], text: '999\tcreate_future_v1\tx\n' })
    await clickhouse.close()
    for (const verb of ['start', 'migrate']) {
      const { code, stderr } = await runMeterline([verb], { DATA_DIR: own.path, PORT: '0' })
      expect(code).toBe(1)
      expect(stderr).toContain('error: The database is newer than this code: it has migration 999 (create_future_v1)')
    }
    own.remove()
  })

  test('a MASTER_KEY that did not seal the database fails the start and changes nothing', async () => {
    const own = makeTemporaryDirectory()
    const first = await startServiceProcess({ DATA_DIR: own.path })
    await first.stop()
    const { code, stderr } = await runMeterline(['start'], {
      DATA_DIR: own.path,
      PORT: '0',
      MASTER_KEY: Buffer.from('a master key for tests, 32 bytes').toString('base64'),
    })
    expect(code).toBe(1)
    expect(stderr).toContain('error: MASTER_KEY is not the key this database was sealed with.')
    const again = await startServiceProcess({ DATA_DIR: own.path })
    expect(await again.stop()).toBe(0)
    own.remove()
  })
})

test('the keys created at the first start are readable by their owner only', () => {
  for (const name of ['admin-token', 'master-key']) expect(statSync(join(directory.path, name)).mode & 0o777).toBe(0o600)
})

test('P1: SIGTERM under load loses no acknowledged event', async () => {
  const own = makeTemporaryDirectory()
  const service = await startServiceProcess({ DATA_DIR: own.path })
  const client = new MeterlineClient(service.url, service.adminToken)
  const partner = await client.createPartner('Stop')
  await client.registerProject('stopped', partner.partnerId)
  await client.createIngestKey()
  const event = (id: string) => ({ event_id: id, project_id: 'stopped', metric: 'mcp_calls', value: 1, timestamp: '2026-02-02T00:00:00Z' })
  let acknowledged = 0
  const emitters = Array.from({ length: 8 }, async (_, emitter) => {
    for (let number = 0; ; number += 1) {
      const answer = await client.send(Array.from({ length: 20 }, (_event, index) => event(`${emitter}-${number}-${index}`))).catch(() => undefined)
      if (answer?.status !== 200) return
      acknowledged += 20
      if (acknowledged === 400) service.child.kill('SIGTERM')
    }
  })
  await Promise.all(emitters)
  expect(await service.stop()).toBe(0)
  const again = await startServiceProcess({ DATA_DIR: own.path })
  const after = new MeterlineClient(again.url, again.adminToken)
  const counted = Number((await after.projectUsage(partner, 'stopped', '2026-02-01', '2026-02-28')).body.summary.total_mcp_calls)
  expect(counted).toBeGreaterThanOrEqual(acknowledged)
  expect(counted - acknowledged).toBeLessThanOrEqual(8 * 20)
  await again.stop()
  own.remove()
})

test.each([
  ['47', 1],
  ['48', 0],
])('with CLOSE_GRACE_HOURS=%s the start logs %i warnings that a wrong clock can close a month', async (hours, warnings) => {
  const lines: string[] = []
  const tested = await startTestService({ CLOSE_GRACE_HOURS: hours, LOG_LEVEL: 'warn' }, (line) => lines.push(line))
  await tested.stop()
  expect(lines.filter((line) => line.includes('CLOSE_GRACE_HOURS is less than 48'))).toHaveLength(warnings)
})

test('SIGTERM makes /readyz answer 503 first, and for DRAIN_MS requests are served on connections that end with them', async () => {
  const own = makeTemporaryDirectory()
  const service = await startServiceProcess({ DATA_DIR: own.path, DRAIN_MS: '3000' })
  const client = new MeterlineClient(service.url, service.adminToken)
  await client.createIngestKey()
  expect((await client.call('GET', '/readyz')).headers.get('connection')).toBe('keep-alive')
  const stopped = service.stop()
  await untilSo(async () => (await client.call('GET', '/readyz')).status === 503)
  const readiness = await client.call('GET', '/readyz')
  expect(readiness.body).toMatchObject({ code: 'STOPPING', message: 'The service is stopping. Send new requests to another process.' })
  expect((await client.call('GET', '/healthz')).status).toBe(200)
  const sent = await client.send([{ event_id: 'late', project_id: 'drained', metric: 'mcp_calls', value: 1, timestamp: '2026-02-02T00:00:00Z' }])
  expect([sent.status, sent.body.accepted, sent.headers.get('connection')]).toEqual([200, '1', 'close'])
  expect(await stopped).toBe(0)
  own.remove()
})

test('a file of variables completes the environment, which comes first; Ctrl-C does not drain; each process says its version', async () => {
  const own = makeTemporaryDirectory()
  const [file, adminToken] = [join(own.path, 'variables'), 'token-of-the-file-0123456789-abcdefgh']
  writeFileSync(file, `# variables\nPORT=1\nDATA_DIR="${join(own.path, 'data')}"\nADMIN_TOKEN=${adminToken}\n`)
  const service = await startServiceProcess({ ADMIN_TOKEN: '', PORT: '0', DRAIN_MS: '300000', LOG_LEVEL: 'info' }, 'start', ['--env-file', file])
  const client = new MeterlineClient(service.url, adminToken)
  expect((await client.call('GET', '/admin/v1/partners', { headers: { authorization: `Bearer ${adminToken}` } })).status).toBe(200)
  expect((await client.call('GET', '/version')).body).toEqual({ version: packageJson.version })
  expect((await client.call('GET', '/metrics')).text).toContain(`meterline_build_info{version="${packageJson.version}",commit="unknown"} 1`)
  const ended = once(service.child, 'exit')
  service.child.kill('SIGINT')
  expect(await ended).toEqual([0, null])
  own.remove()
})

test('a file of variables that cannot be read fails the start, and the message names it', async () => {
  for (const command of [['start'], ['migrate'], ['rebuild', '--month', '2026-01', '--offline']]) {
    // Node 20 reads this option too, even after the name of the program, and then the message and the code are Node's.
    const { code, stderr } = await runMeterline([...command, '--env-file', '/nowhere/variables'])
    expect([code === 0, stderr]).toEqual([false, expect.stringContaining('/nowhere/variables')])
  }
  expect(() => completeFrom({ envFile: '/nowhere/variables' }, {})).toThrow(
    'The file /nowhere/variables of --env-file cannot be read (ENOENT). Check its path and its permissions.',
  )
})

test('no log level writes a secret to the log', async () => {
  const own = makeTemporaryDirectory()
  const service = await startServiceProcess({ DATA_DIR: own.path, LOG_LEVEL: 'trace' })
  let output = ''
  service.child.stdout?.on('data', (chunk) => {
    output += String(chunk)
  })
  const client = new MeterlineClient(service.url, service.adminToken)
  const partner = await client.createPartner('Quiet')
  const key = await client.createIngestKey()
  await client.send([])
  await client.projectUsage(partner, 'nothing', '2026-01-01', '2026-01-02')
  await client.call('POST', '/v1/events', { headers: { authorization: 'Bearer wrong-key-of-somebody' } })
  await service.stop()
  const masterKey = readFileSync(join(own.path, 'master-key'), 'utf8').trim()
  for (const secret of [partner.secret, key, service.adminToken, masterKey, 'wrong-key-of-somebody']) expect(output).not.toContain(secret)
  own.remove()
})
