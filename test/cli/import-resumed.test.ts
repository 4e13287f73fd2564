import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MeterlineClient } from '../support/clients/client.ts'
import { startEventProxy, type Treatment } from '../support/clients/event-proxy.ts'
import { copyMigratedDirectory } from '../support/engines/migrated-directory.ts'
import { type ServiceProcess, spawnMeterline, startServiceProcess } from '../support/engines/service-process.ts'
import { Random } from '../support/random.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'

/** IMPORT_LINES=1000000 imports a million rows, and prints how fast and in how much memory. */
const LINES = Number(process.env['IMPORT_LINES'] ?? 20_000)
const KILLS = Number(process.env['IMPORT_KILLS'] ?? 2)
const SEED = Number(process.env['IMPORT_SEED'] ?? Date.now() % 1_000_000)
const PROJECTS = ['ash', 'birch', 'cedar']
/** A request has 2,000 rows. When the fifth is sent, the position is behind the first, because four are in flight. */
const BATCHES = LINES / 2_000
const FIRST_KILL_AT = 5

const directory = makeTemporaryDirectory()
const file = join(directory.path, 'usage.csv')
const positionFile = `${file}.meterline-import.json`
const rejects = join(directory.path, 'rejects.ndjson')
const random = new Random(SEED)
let service: ServiceProcess
let proxy: Awaited<ReturnType<typeof startEventProxy>>
/** What is lost with the request of this number, and what happens then. */
let fault: { at: number; treatment: Treatment; onLost: () => Promise<void> | void } | undefined
let requests = 0
let environment: Record<string, string>
let settings: Record<string, string>
beforeAll(async () => {
  settings = { DATA_DIR: join(directory.path, 'data'), CLOSE_GRACE_HOURS: '1000000' }
  copyMigratedDirectory(join(directory.path, 'data'))
  service = await startServiceProcess(settings)
  const client = new MeterlineClient(service.url, service.adminToken)
  proxy = await startEventProxy({
    target: () => service.url,
    treat: () => {
      requests += 1
      return requests === fault?.at ? fault.treatment : 'forward'
    },
    onLost: () => fault?.onLost(),
  })
  environment = { METERLINE_URL: proxy.url, METERLINE_ACCESS_TOKEN: await client.createIngestKey() }
})
afterAll(async () => {
  proxy.stop()
  await service.stop()
  directory.remove()
})

test(`P1 P2 P3: an import of ${LINES} rows that is killed with -9 again and again, and whose service is killed, counts every row once`, {
  timeout: 180_000 + LINES,
}, async () => {
  const oracle = await writeRows()
  const startedMs = performance.now()
  for (let kill = 0; kill < KILLS; kill += 1) {
    const killed = start()
    // The first one is Ctrl-C.
    const signal = kill === 0 ? 'SIGINT' : 'SIGKILL'
    const at = FIRST_KILL_AT + random.below(Math.max(1, BATCHES / (KILLS + 1) - FIRST_KILL_AT))
    setFault({ at, treatment: random.pick(['lose_answer', 'lose_request']), onLost: () => end(killed.child, signal) })
    await killed.ended
    expect(existsSync(positionFile), `seed ${SEED}`).toBe(true)
    if (signal === 'SIGKILL') expect(killed.child.signalCode).toBe('SIGKILL')
    else expect([killed.child.exitCode, killed.stderr()]).toEqual([1, expect.stringMatching(/Interrupted after [\d,]+ rows? of .*\nRepeat the same call/)])
  }
  setFault({ at: 1, treatment: 'lose_request', onLost: () => service.kill() })
  const last = start()
  await untilSo(async () => last.stderr().includes('Trying again'))
  service = await startServiceProcess(settings)
  await last.ended
  const seconds = (performance.now() - startedMs) / 1000

  expect(last.stderr(), `seed ${SEED}`).toContain('usage.csv: going on after ')
  expect([last.child.exitCode, last.stderr()]).toEqual([
    1,
    expect.stringContaining(`${oracle.rejectedLines.length.toLocaleString('en-US')} of ${LINES.toLocaleString('en-US')} rows rejected.`),
  ])
  const [, accepted = '', duplicates = ''] = /([\d,]+) accepted, ([\d,]+) duplicates/.exec(last.stdout()) ?? []
  const numberOf = (text: string) => Number(text.replaceAll(',', ''))
  expect(numberOf(accepted) + numberOf(duplicates)).toBe(LINES - oracle.rejectedLines.length)
  const rejected = readFileSync(rejects, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): number => JSON.parse(line).rejected.line)
  expect(rejected, `seed ${SEED}`).toEqual(oracle.rejectedLines)
  expect(await countedSums(), `seed ${SEED}`).toEqual(oracle.sums)
  expect(existsSync(positionFile)).toBe(false)
  // Whatever the number of rows.
  expect(peakMiB).toBeLessThan(400)
  console.info(
    `import: seed ${SEED}, ${LINES} rows, ${KILLS} kills: ${seconds.toFixed(1)} s, ${Math.round(LINES / seconds)} rows/s, ${peakMiB} MiB of memory at most`,
  )
})

function start() {
  const child = spawnMeterline(['import', file, '--rejects', rejects], environment)
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.on('data', (chunk) => {
      written[name] = (written[name] + String(chunk)).slice(-10_000)
      notePeak(child)
    })
  return { child, ended: once(child, 'close'), stdout: () => written.stdout, stderr: () => written.stderr }
}

function setFault(next: NonNullable<typeof fault>): void {
  requests = 0
  fault = next
}

function end(child: ChildProcess, signal: NodeJS.Signals): void {
  notePeak(child)
  child.kill(signal)
}

let peakMiB = 0
/** On Linux. */
function notePeak({ pid }: ChildProcess): void {
  const path = `/proc/${pid}/status`
  if (!existsSync(path)) return
  const kibibytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0)
  peakMiB = Math.max(peakMiB, Math.round(kibibytes / 1024))
}

interface OracleOfFile {
  readonly sums: Record<string, string>
  readonly rejectedLines: readonly number[]
}

/** Writes rows without ids, many of them equal, some of them wrong, and adds up in billionths what they must count. */
async function writeRows(): Promise<OracleOfFile> {
  const output = createWriteStream(file)
  output.write('project_id,metric,value,timestamp\n')
  const sums = new Map(PROJECTS.map((project) => [project, 0n]))
  const rejectedLines: number[] = []
  for (let line = 2; line < LINES + 2; line += 1) {
    const project = random.pick(PROJECTS)
    const isWrong = random.below(500) === 0
    const [integer, fraction] = [BigInt(random.below(1000)) ** 3n, 1 + random.below(9)]
    if (isWrong) rejectedLines.push(line)
    else sums.set(project, (sums.get(project) ?? 0n) + integer * 1_000_000_000n + BigInt(fraction) * 100_000_000n)
    const value = isWrong ? '-1' : random.below(4) === 0 ? `"${integer}.${fraction}"` : `${integer}.${fraction}`
    const row = `${project},ai_credits,${value},2026-01-${String(1 + random.below(28)).padStart(2, '0')}T00:00:00Z\n`
    if (!output.write(row)) await once(output, 'drain')
  }
  await finished(output.end())
  return { sums: Object.fromEntries([...sums].map(([project, billionths]) => [project, decimalOf(billionths)])), rejectedLines }
}

function decimalOf(billionths: bigint): string {
  const digits = String(billionths).padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, '')
}

async function countedSums(): Promise<Record<string, string>> {
  const client = new MeterlineClient(service.url, service.adminToken)
  const partner = await client.createPartner('Import')
  const sums: Record<string, string> = {}
  for (const project of PROJECTS) {
    await client.registerProject(project, partner.partnerId)
    sums[project] = (await client.projectUsage(partner, project, '2026-01-01', '2026-01-31')).body.summary.total_ai_credits
  }
  return sums
}
