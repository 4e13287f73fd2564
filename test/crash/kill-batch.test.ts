import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { METRICS } from '../../metering/metrics.ts'
import { type Answer, type Credentials, MeterlineClient } from '../support/clients/client.ts'
import { copyMigratedDirectory } from '../support/engines/migrated-directory.ts'
import { type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { Random } from '../support/random.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000)
/** A revert is written like a closing, so fewer of its kills are in every run. */
const ALL = process.env['CRASH_KILLS'] !== undefined
const EVENTS = 2_000
const DURING_MS_MAX = 60
const PATH = '/admin/v1/correction-batches'

/** Where the process is killed, and what its successor must have: the usage before the step or after it, or any of the two. */
const POINTS = [
  { project: 'positioned', metric: 'database_size_bytes', name: 'log_positions_inbox_v1', when: 'after', leaves: 'before' },
  { project: 'storing', metric: 'ai_tokens', name: 'usage_corrections_inbox_v1', when: 'during', leaves: 'either' },
  { project: 'stored', metric: 'ai_tokens', name: 'usage_corrections_inbox_v1', when: 'after', leaves: 'after' },
] as const

const directory = makeTemporaryDirectory()
const killFile = join(directory.path, 'kill.json')
const environment = {
  DATA_DIR: join(directory.path, 'data'),
  NODE_OPTIONS: `--import ${new URL('./kill-at-statement.mjs', import.meta.url).href}`,
  KILL_FILE: killFile,
}
const batches = new Map<string, string>()
let running: ServiceProcess
let client: MeterlineClient
let partner: Credentials
beforeAll(async () => {
  copyMigratedDirectory(environment.DATA_DIR)
  await restart()
  partner = await client.createPartner('Crash')
  await client.createIngestKey()
  for (const { project, metric } of POINTS) {
    await client.registerProject(project, partner.partnerId)
    const events = (prefix: string, value: string) =>
      Array.from({ length: EVENTS }, (_, index) => ({
        ...{ event_id: `${prefix}-${index}`, project_id: project, metric, value },
        timestamp: `2026-01-1${index % 2}T08:00:00Z`,
      }))
    expect((await client.send(events('old', '1'))).status).toBe(200)
    const { body } = await client.admin('POST', PATH, { project_id: project, metric, from: '2026-01-10', to: '2026-01-11', reason: 'crash' })
    expect((await client.admin('POST', `${PATH}/${body.batch.id}/events`, events('new', '2'))).status).toBe(200)
    batches.set(project, body.batch.id)
  }
})
afterAll(async () => {
  // If it could not be started, that is the error to report.
  await (running as ServiceProcess | undefined)?.stop()
  directory.remove()
})

test(`P1 P2 P3: kill -9 between the writes that close or revert a batch leaves its whole replacement or none of it, and the call that is repeated completes it (seed ${SEED})`, async () => {
  const random = new Random(SEED)
  for (const step of ['close', 'revert'] as const)
    for (const { project, metric, leaves, ...point } of POINTS) {
      if (!ALL && step === 'revert' && leaves !== 'after') continue
      const [before, after] = [totalOf(metric, step === 'close' ? 1 : 2), totalOf(metric, step === 'close' ? 2 : 1)]
      expect(await usageOf(project, metric)).toBe(before)
      writeFileSync(killFile, JSON.stringify({ ...point, afterMs: random.below(DURING_MS_MAX) }))
      const killed = once(running.child, 'exit')
      const answer = await call(project, step).catch(() => undefined)
      // A process that is killed during a statement may end it first.
      if (point.when === 'after') expect(answer).toBeUndefined()
      await killed
      expect(running.child.signalCode).toBe('SIGKILL')
      rmSync(killFile)
      await restart()
      const left = await usageOf(project, metric)
      console.info(`crash: seed ${SEED}, ${step} killed ${point.when} ${point.name}: ${before} became ${left}`)
      expect({ before: [before], after: [after], either: [before, after] }[leaves]).toContain(left)
      const [first, second] = [await call(project, step), await call(project, step)]
      expect([first.status, first.body.batch.state, second.text]).toEqual([200, step === 'close' ? 'closed' : 'reverted', first.text])
      expect(await usageOf(project, metric)).toBe(after)
    }
  expect((await client.audit()).body.differences).toEqual([])
})

/** Of events that all have this value. */
function totalOf(metric: 'ai_tokens' | 'database_size_bytes', value: number): string {
  return String(METRICS[metric].kind === 'peak' ? value : value * EVENTS)
}

async function usageOf(project: string, metric: 'ai_tokens' | 'database_size_bytes'): Promise<string> {
  const { summary } = (await client.projectUsage(partner, project, '2026-01-01', '2026-01-31')).body
  return summary[METRICS[metric].projectSummaryName]
}

function call(project: string, step: 'close' | 'revert'): Promise<Answer> {
  return client.admin('POST', `${PATH}/${batches.get(project)}/${step}`, {})
}

async function restart(): Promise<void> {
  running = await startServiceProcess(environment)
  const { url, adminToken } = running
  const restarted = new MeterlineClient(url, adminToken)
  restarted.ingestKey = client?.ingestKey ?? ''
  client = restarted
}
