import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import { pino } from 'pino'
import { z } from 'zod'
import { Closers } from './closers.ts'
import { readConfig } from './config.ts'
import { DemoClient, type DemoPartner } from './demo/demo-client.ts'
import { Emitter } from './demo/emit.ts'
import { describeEmitted, grouped, PartnershipAnswer, ProjectAnswer, partnershipTable, projectWeekTable } from './demo/report.ts'
import { DEMO_NAMES, type DemoProject, makeProjects, tellStory } from './demo/world.ts'
import { printError } from './output.ts'
import { type Service, startService } from './service.ts'
import { untilSignal } from './signals.ts'

/** A month of a partnership's life in a minute: everything goes through the public HTTP API of a service of its own. */
async function demo({ events, exit }: DemoOptions): Promise<void> {
  const closers = new Closers()
  const stopped = untilSignal()
  try {
    const service = await startDemoService(closers)
    const ended = await Promise.race([tell(service, events), stopped])
    if (ended !== 'told' || exit) return
    say('', `Serving at ${service.url} until Ctrl-C. Read and try the API at ${service.url}/docs`)
    await stopped
  } finally {
    await closers.closeAll()
  }
}

interface DemoOptions {
  readonly events: number
  readonly exit: boolean
}

const EVENTS_DEFAULT = 200_000
const PROJECTS_OF_PLATFORM = 20
const PARTNER_NAME = 'Northwind Apps'
const MS_PER_DAY = 86_400_000

async function startDemoService(closers: Closers): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-demo-'))
  closers.add(async () => rmSync(directory, { recursive: true, force: true }))
  const { PORT } = process.env
  const settings = { DATA_DIR: directory, LOG_LEVEL: 'error', RATE_LIMIT_PER_MINUTE: '0', EVENT_REQUESTS_PER_MINUTE: '0' }
  const start = (port: string) => {
    const config = readConfig({ ...settings, PORT: port })
    return startService(config, pino({ level: config.LOG_LEVEL }))
  }
  // Without a wish of the caller's, a port in use is no reason to stop: any other will do.
  const service = PORT === undefined ? await start('8080').catch(() => start('0')) : await start(PORT)
  closers.add(() => service.stop())
  return service
}

async function tell(service: Service, events: number): Promise<'told'> {
  const client = new DemoClient(service.url, service.adminToken)
  say(`Meterline demo: a service of its own at ${service.url}, on an engine inside this process`)
  const { partner, ingestKey, projects, names } = await setUp(client)
  say(`  partner ${PARTNER_NAME}, ${projects.length} projects, one ingest key`, '')

  const now = new Date()
  const firstDayMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)
  const { emitter, seconds } = await emitStory(client, { partner, ingestKey, projects, firstDayMs, nowMs: now.getTime(), events })
  say(...describeEmitted(emitter.emitted, seconds), '')

  await report(client, { service, partner, projects, names, from: dayAt(firstDayMs), to: dayAt(now.getTime()) })
  return 'told'
}

const Created = z.object({ partner: z.object({ id: z.string() }), secret: z.string() })
const Key = z.object({ key: z.string() })
const Synced = z.object({ project: z.object({ id: z.string() }) })

/** Half of the projects the platform has already and registers; half the partner makes. */
async function setUp(client: DemoClient) {
  const created = Created.parse(await client.admin('POST', '/partners', { name: PARTNER_NAME }))
  const partner: DemoPartner = { partnerId: created.partner.id, secret: created.secret }
  const { key } = Key.parse(await client.admin('POST', '/ingest-keys', { name: 'demo platform' }))
  const names = new Map<string, string>()
  for (const [index, name] of DEMO_NAMES.entries()) {
    if (index < PROJECTS_OF_PLATFORM) {
      await client.admin('PUT', `/projects/${name}`, { partner_id: partner.partnerId, name, region: 'eu-west' })
      names.set(name, name)
    } else {
      const { project } = Synced.parse(await client.partner(partner, 'POST', '/sync-embedded-project', { project_name: name }))
      names.set(project.id, name)
    }
  }
  return { partner, ingestKey: key, names, projects: makeProjects([...names.keys()], DELETION_DAYS) }
}

/** Deletions fall into the past month, however far the current one is. */
const DELETION_DAYS = 30

interface Story {
  readonly partner: DemoPartner
  readonly ingestKey: string
  readonly projects: readonly DemoProject[]
  readonly firstDayMs: number
  readonly nowMs: number
  readonly events: number
}

async function emitStory(client: DemoClient, { partner, ingestKey, projects, firstDayMs, nowMs, events }: Story) {
  const bar = new SingleBar({ format: '  {bar} {percentage}%  {day}  {value} events', hideCursor: true, noTTYOutput: false, barsize: 40 })
  bar.start(events, 0, { day: dayAt(firstDayMs) })
  const emitter = new Emitter(client, { ingestKey, onProgress: (sent) => bar.update(Math.min(sent, events)) })
  const startedMs = performance.now()
  for (const { day, events: emitted, deleted } of tellStory(projects, { firstDayMs, nowMs, eventsWanted: events })) {
    await emitter.emit(emitted)
    bar.update({ day })
    for (const { id } of deleted) await client.partner(partner, 'DELETE', `/${id}`)
  }
  await emitter.flush()
  bar.update(events)
  bar.stop()
  return { emitter, seconds: (performance.now() - startedMs) / 1000 }
}

const Audit = z.object({ events_recounted: z.string(), keys_compared: z.string(), differences: z.array(z.unknown()) })

interface Report {
  readonly service: Service
  readonly partner: DemoPartner
  readonly projects: readonly DemoProject[]
  readonly names: ReadonlyMap<string, string>
  readonly from: string
  readonly to: string
}

async function report(client: DemoClient, { service, partner, projects, names, from, to }: Report): Promise<void> {
  const wholePath = `/usage?start_date=${from}&end_date=${to}`
  const whole = PartnershipAnswer.parse(await client.partner(partner, 'GET', wholePath))
  say(`Usage of ${whole.partnership.name}, all projects, ${from} to ${to}, complete as of ${whole.as_of}`)
  say('(^ peak: the sum over the projects per day, then the greatest day; cumulative: the sum)')
  say(partnershipTable(whole))
  const deleted = projects.filter(({ deletedAfterDay }) => deletedAfterDay !== undefined)
  say(`Deleted on the way and billed all the same: ${deleted.map(({ id }) => names.get(id)).join(', ')}`, '')

  const [shown] = projects
  if (shown === undefined) throw new Error('The demo has no project.')
  const weekPath = `/${shown.id}/usage?start_date=${dayAt(Date.parse(to) - 6 * MS_PER_DAY)}&end_date=${to}`
  const week = ProjectAnswer.parse(await client.partner(partner, 'GET', weekPath))
  say(`The last week of project ${week.project.name} (${week.project.status}); ^ is a peak, the rest add up`)
  say(projectWeekTable(week), '')

  const audit = Audit.parse(await client.admin('POST', '/audits', {}))
  say(
    `Audit: ${audit.differences.length} differences (${grouped(audit.events_recounted)} raw events recounted against the rollup, ${grouped(audit.keys_compared)} project days)`,
    '',
  )
  say('The same numbers by hand (the secret is thrown away with the demo):')
  for (const path of [wholePath, weekPath])
    say(`  curl -H 'X-Partnership-Secret: ${partner.secret}' \\`, `    '${service.url}/partnership/v1/${partner.partnerId}${path}'`)
  if (audit.differences.length > 0) throw new Error('The audit found differences.')
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

function dayAt(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

function readOptions(): DemoOptions {
  const { values } = parseArgs({ options: { exit: { type: 'boolean', default: false }, events: { type: 'string', default: String(EVENTS_DEFAULT) } } })
  if (!/^[1-9]\d{2,6}$/.test(values.events)) throw new Error('--events takes a number from 100 to 9999999.')
  return { events: Number(values.events), exit: values.exit }
}

try {
  await demo(readOptions())
} catch (error) {
  printError({}, error)
}
