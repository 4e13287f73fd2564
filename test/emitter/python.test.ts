import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { EVENTS_BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX } from '../../contract/events.ts'
import { METRICS } from '../../metering/metrics.ts'
import { ROOT } from '../support/source-files.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { startTestService } from '../support/worlds/test-service.ts'

const FOLDER = join(ROOT, 'emitter-python')
// No __pycache__ is left in the tree.
const ENVIRONMENT = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }

const missing = whyNot('import sys; assert sys.version_info >= (3, 9), "Python is older than 3.9"')
if (missing !== undefined) console.info(`skipped: the tests of the Python emitter need Python 3.9 or newer (${missing})`)
const missingToInstall = missing ?? whyNot('import setuptools, wheel, pip')
if (missing === undefined && missingToInstall !== undefined) console.info(`skipped: the installation needs pip, setuptools and wheel (${missingToInstall})`)

const directory = makeTemporaryDirectory()
afterAll(() => directory.remove())

/** Why Python cannot run this program; undefined if it can. */
function whyNot(program: string): string | undefined {
  try {
    execFileSync('python3', ['-c', program], { env: ENVIRONMENT, stdio: 'pipe' })
    return undefined
  } catch (error) {
    return String(error).trim().split('\n').at(-1)
  }
}

/** Runs Python in the folder of the package, and returns what it writes to stdout. */
async function python(args: string[], environment: Record<string, string> = {}, cwd = FOLDER): Promise<string> {
  return (await promisify(execFile)('python3', args, { cwd, env: { ...ENVIRONMENT, ...environment } })).stdout
}

/** Forwards every request to the service, except that the connection of one is cut before it, and of another one after it was forwarded. */
async function startCuttingProxy(target: string) {
  let requests = 0
  let eventsCutAfter = 0
  const proxy = createServer(async (received, response) => {
    requests += 1
    const request = requests
    if (request === CUT_BEFORE) return received.socket.destroy()
    const body = Buffer.concat(await received.toArray()).toString()
    const headers = { authorization: received.headers.authorization ?? '', 'content-type': 'application/json' }
    const answer = await fetch(`${target}${received.url}`, { method: 'POST', headers, body })
    if (request === CUT_AFTER) {
      eventsCutAfter = JSON.parse(body).length
      return received.socket.destroy()
    }
    return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    requests: () => requests,
    eventsCutAfter: () => eventsCutAfter,
    close: () => proxy.close(),
  }
}

const CUT_BEFORE = 3
const CUT_AFTER = 6
const EVENTS = 2_000
const BATCH_EVENTS = 100

/** Emits as many events of each kind, and prints what close() returns and the duplicates that hooks have seen. */
const EMIT = `
import json, sys
from decimal import Decimal
from meterline_emitter import Emitter
url, key = sys.argv[1:]
duplicates = []
emitter = Emitter(url=url, key=key, batch_events_max=${BATCH_EVENTS}, on_delivered=lambda batch: duplicates.append(batch.duplicates))
for number in range(${EVENTS} // 2):
    emitter.emit({"project_id": "python", "metric": "ai_tokens", "value": 2**53 + 1})
    emitter.emit({"project_id": "python", "metric": "ai_credits", "value": Decimal("0.000000001")})
    emitter.add({"project_id": "python", "metric": "mcp_calls", "value": 3})
closed = emitter.close(timeout_ms=120_000)
print(json.dumps({"rejected": closed.rejected, "dropped": closed.dropped, "duplicates": sum(duplicates)}))
`

describe.skipIf(missing !== undefined)('the Python emitter', () => {
  test('passes the conformance file, and its own tests over real HTTP', async () => {
    // Rejects with the output of the tests if one of them fails.
    await python(['-W', 'error::ResourceWarning', '-m', 'unittest'])
  })

  test('has the metrics and the limits of the service', async () => {
    const program = `import json, typing; from meterline_emitter import event as e
print(json.dumps([[*typing.get_args(e.PeakMetric), *typing.get_args(e.CumulativeMetric)], e.EVENTS_PER_REQUEST_MAX, e.BODY_BYTES_MAX]))`
    const [metrics, eventsMax, bytesMax] = JSON.parse(await python(['-c', program])) as [string[], number, number]
    expect(metrics.sort()).toEqual(Object.keys(METRICS).sort())
    expect([eventsMax, bytesMax]).toEqual([EVENTS_PER_REQUEST_MAX, EVENTS_BODY_BYTES_MAX])
  })

  test(`P1 P2: ${EVENTS} events of a Python process are each counted once, although two connections are cut`, { timeout: 240_000 }, async () => {
    const { client, service, stop } = await startTestService()
    const proxy = await startCuttingProxy(service.url)
    try {
      const partner = await client.createPartner('Python')
      await client.registerProject('python', partner.partnerId)
      const printed = JSON.parse(await python(['-c', EMIT, proxy.url, await client.createIngestKey()]))
      expect(printed).toEqual({ rejected: 0, dropped: 0, duplicates: proxy.eventsCutAfter() })
      expect(proxy.eventsCutAfter()).toBeGreaterThan(0)
      expect(proxy.requests()).toBeGreaterThanOrEqual(EVENTS / BATCH_EVENTS + 2)
      const today = new Date().toISOString().slice(0, 10)
      const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
      const { summary } = (await client.projectUsage(partner, 'python', yesterday, today)).body
      const half = EVENTS / 2
      expect(summary).toMatchObject({
        total_ai_tokens: String(BigInt(half) * (2n ** 53n + 1n)),
        total_ai_credits: '0.000001',
        total_mcp_calls: String(half * 3),
      })
    } finally {
      proxy.close()
      await stop()
    }
  })

  test.skipIf(missingToInstall !== undefined)('can be installed with pip without network, with its types', async () => {
    const copy = join(directory.path, 'source')
    const target = join(directory.path, 'installed')
    // pip writes into the folder that it builds from.
    cpSync(FOLDER, copy, { recursive: true })
    await python(['-m', 'pip', 'install', '--quiet', '--no-index', '--no-build-isolation', '--no-deps', '--target', target, copy])
    const program = 'import meterline_emitter as m; print(m.__file__, m.Emitter.__name__)'
    const printed = await python(['-c', program], { PYTHONPATH: target }, directory.path)
    expect(printed.trim()).toBe(`${join(target, 'meterline_emitter', '__init__.py')} Emitter`)
    expect(existsSync(join(target, 'meterline_emitter', 'py.typed'))).toBe(true)
  })
})
