import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { untilSo } from '../until-so.ts'
import { startClickHouseServer } from './clickhouse-server.ts'
import { freePort } from './free-port.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

test('a ClickHouse server ends and its directory is removed when the process that started it is killed', async () => {
  const { path } = makeTemporaryDirectory()
  const program = `import { startClickHouseServer } from './test/support/engines/clickhouse-server.ts'
    console.log((await startClickHouseServer({ dataDir: '${path}', temporary: true })).url)`
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  const [url] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
  expect(await (await fetch(`${url}/?query=SELECT+1`)).text()).toBe('1\n')
  parent.kill('SIGKILL')
  await untilSo(async () => (await fetch(`${url}/ping`).catch(() => undefined)) === undefined)
  await untilSo(async () => !existsSync(path))
})

test('a ClickHouse server that cannot listen is an error with its reason', async () => {
  const directory = makeTemporaryDirectory()
  const port = await freePort()
  const occupant = createServer()
  await once(occupant.listen(port, '127.0.0.1'), 'listening')
  await expect(startClickHouseServer({ dataDir: directory.path, port })).rejects.toThrow(/before it listened:.*Address already in use/s)
  occupant.close()
  directory.remove()
})
