import { HOSTILE_REQUESTS, type HostileRequest } from './hostile-requests.ts'
import { type Report, type Run, roundsOf } from './report.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const ROUNDS = 3

interface Measured {
  readonly request: HostileRequest
  status: number
  /** The longest of all rounds. */
  healthzMs: number
  eventMs: number
}

/**
 * Sends the most expensive requests that one emitter may send, one at a time, and measures what others notice of each: how long
 * /healthz takes meanwhile, which is how long the main thread is held, and how long one event of another key takes.
 */
export async function measureHostile(run: Run): Promise<Report> {
  const { closers, progress } = run
  const rounds = roundsOf(run, ROUNDS)
  const environment = { PAST_MONTHS_PER_MINUTE: '0' }
  const service = await startServiceProcess(makeTemporaryDirectory(closers), closers, { environment })
  const [hostile, good] = [await createIngestKey(service, 'hostile'), await createIngestKey(service, 'good')]
  const alone = Math.max(...(await Promise.all([0, 1, 2].map((n) => sendEvent(service, good, -n)))))
  const measured: Measured[] = HOSTILE_REQUESTS.map((request) => ({ request, status: 0, healthzMs: 0, eventMs: 0 }))
  for (let round = 0; round < rounds; round += 1) {
    progress(`round ${round + 1} of ${rounds}`)
    for (const each of measured) await measure(each, { service, hostile, good, round })
  }
  await service.stop()
  return reportOf(measured, { aloneMs: alone, rounds })
}

interface Attack {
  readonly service: ServiceProcess
  readonly hostile: string
  readonly good: string
  readonly round: number
}

async function measure(each: Measured, { service, hostile, good, round }: Attack): Promise<void> {
  const body = each.request.body(round)
  let answered = false
  const probe = async () => {
    while (!answered) each.healthzMs = Math.max(each.healthzMs, await timed(async () => void (await fetch(`${service.url}/healthz`)).status))
  }
  const attack = async () => {
    each.status = await send(service, hostile, { body, contentType: each.request.contentType })
    answered = true
  }
  const beside = async () => {
    await new Promise((resolve) => setTimeout(resolve, BESIDE_AFTER_MS))
    each.eventMs = Math.max(each.eventMs, await sendEvent(service, good, round))
  }
  await Promise.all([probe(), attack(), beside()])
}

/** By then the body of the attack has arrived. */
const BESIDE_AFTER_MS = 20

async function sendEvent(service: ServiceProcess, key: string, round: number): Promise<number> {
  const event = { event_id: `good-${round}-${Math.random()}`, project_id: 'good', metric: 'ai_tokens', value: 1, timestamp: new Date().toISOString() }
  return timed(async () => {
    const status = await send(service, key, { body: Buffer.from(JSON.stringify(event)), contentType: 'application/json' })
    if (status !== 200) throw new Error(`The event beside the attack was answered ${status}.`)
  })
}

async function send({ url }: ServiceProcess, key: string, { body, contentType }: { body: Buffer; contentType: string }): Promise<number> {
  const answer = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': contentType },
    body: new Uint8Array(body),
  })
  await answer.arrayBuffer()
  return answer.status
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

async function createIngestKey({ url, adminToken }: ServiceProcess, name: string): Promise<string> {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}/admin/v1/ingest-keys`, { method: 'POST', headers, body: JSON.stringify({ name }) })
  return ((await answer.json()) as { key: string }).key
}

function reportOf(measured: readonly Measured[], { aloneMs, rounds }: { aloneMs: number; rounds: number }): Report {
  const rows = measured.map(({ request, status, healthzMs, eventMs }) => [request.what, String(status), healthzMs.toFixed(0), eventMs.toFixed(0)])
  const figures = measured.flatMap(({ request, healthzMs, eventMs }) => [
    [`${request.name}_healthz_ms`, healthzMs],
    [`${request.name}_event_ms`, eventMs],
  ])
  return {
    name: 'hostile',
    notes: [`The longest of ${rounds} requests each. One event alone takes ${aloneMs.toFixed(0)} ms. The load generator shares these cores.`],
    tables: [{ title: 'What others notice of one request', columns: ['request', 'its answer', '/healthz, ms', 'one event, ms'], rows }],
    figures: Object.fromEntries(figures),
  }
}
