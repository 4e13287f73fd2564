import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEmitter } from '../../emitter/emitter.ts'
import { diskSpool, SpoolInUse } from '../../emitter/spool/disk-spool.ts'
import { MeterlineClient } from '../support/clients/client.ts'
import type { EmittingTask } from '../support/emitter/emitting-main.ts'
import { freePort } from '../support/engines/free-port.ts'
import { copyMigratedDirectory } from '../support/engines/migrated-directory.ts'
import { type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { Random } from '../support/random.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'

const KILLS = Number(process.env['EMITTER_KILLS'] ?? 2)
const SEED = Number(process.env['EMITTER_SEED'] ?? Date.now() % 1_000_000)
const EVENTS_BEFORE_KILL_MAX = 1_500
/** Not more, because a slow machine must deliver them within the time of the test. */
const EVENTS_OF_PROCESS = 2 * EVENTS_BEFORE_KILL_MAX
const MAIN = fileURLToPath(new URL('../support/emitter/emitting-main.ts', import.meta.url))

const directory = makeTemporaryDirectory()
const folder = join(directory.path, 'spool')
let environment: Record<string, string>
let running: ServiceProcess
beforeAll(async () => {
  const dataDir = join(directory.path, 'data')
  copyMigratedDirectory(dataDir)
  environment = { DATA_DIR: dataDir, PORT: String(await freePort()) }
  running = await startServiceProcess(environment)
})
afterAll(async () => {
  await running.stop()
  directory.remove()
})

/** A process that emits. `emitted` is the number of the last event whose emit() is known to have returned. */
function startEmitting(task: EmittingTask): { child: ChildProcess; emitted: () => number; output: () => string } {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += String(chunk)
  })
  return { child, emitted: () => (existsSync(task.emittedFile) ? Number(readFileSync(task.emittedFile, 'utf8')) : 0), output: () => output }
}

test(`P1 P2: ${KILLS} kill -9 of an emitter with a spool, and of the service, lose no event and count none twice`, async () => {
  const random = new Random(SEED)
  const client = new MeterlineClient(running.url, running.adminToken)
  const partner = await client.createPartner('Emitting')
  const task = { url: running.url, key: await client.createIngestKey(), folder, events: EVENTS_OF_PROCESS }
  const emitted = new Map<string, number>()
  for (let kill = 0; kill < KILLS; kill += 1) {
    const projectId = `run-${kill}`
    await client.registerProject(projectId, partner.partnerId)
    const emitting = startEmitting({ ...task, projectId, emittedFile: join(directory.path, projectId) })
    const exited = once(emitting.child, 'close')
    const untilEmitted = (count: number) => untilSo(async () => emitting.emitted() >= count)
    await untilEmitted(1)
    expect(() => createEmitter({ ...task, spool: diskSpool({ folder }) }), 'two processes in one folder').toThrow(SpoolInUse)
    await untilEmitted(random.below(EVENTS_BEFORE_KILL_MAX))
    if (kill === 1) {
      await running.kill()
      // Some events are emitted while the service is down.
      await untilEmitted(Math.min(emitting.emitted() + random.below(EVENTS_BEFORE_KILL_MAX), EVENTS_OF_PROCESS))
      running = await startServiceProcess(environment)
    }
    emitting.child.kill('SIGKILL')
    await exited
    emitted.set(projectId, emitting.emitted())
  }
  const last = startEmitting({ ...task, projectId: 'none', events: 0, emittedFile: join(directory.path, 'none') })
  await once(last.child, 'close')
  expect(JSON.parse(last.output()), `seed ${SEED}`).toMatchObject({ rejected: 0, dropped: 0, spooled: 0 })
  const today = new Date().toISOString().slice(0, 10)
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
  for (const [projectId, known] of emitted) {
    const { body } = await client.projectUsage(partner, projectId, yesterday, today)
    const counted = Number(body.summary.total_ai_tokens)
    // A kill between the return of emit() and the line that reports it leaves one event more.
    expect([known, known + 1], `${projectId}, seed ${SEED}`).toContain(counted)
  }
}, 240_000)
