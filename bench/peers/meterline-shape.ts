import { fileURLToPath } from 'node:url'
import { parseExactJson } from '../../metering/exact-json.ts'
import { METRIC_NAMES, METRICS } from '../../metering/metrics.ts'
import type { NumberToken } from '../../metering/quantity.ts'
import type { Closers } from '../../service/closers.ts'
import { runForked } from '../forked-task.ts'
import { type Request, runLoad } from '../http-load.ts'
import { type ServiceProcess, startServiceProcess } from '../service-process.ts'
import { median } from '../statistics.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { type Answer, partnerKey, QUESTIONS, type Question } from './exact-answers.ts'
import { batchesOf, type IngestCost, type IngestPlan, killedBatchOf } from './ingest-plan.ts'
import type { MeterlineAsked, MeterlineTask, SeededPeerPartner } from './meterline-main.ts'
import { ASKED_PROJECT, eventJson, MONTH, makePeerEvent, projectId, WEEK } from './peer-events.ts'
import type { ShapeResult } from './shape-result.ts'

export interface HttpAnswer {
  readonly ms: number
  readonly answer: Answer
}

export interface MeterlineResult extends ShapeResult {
  readonly http: Readonly<Record<Question, HttpAnswer>>
}

const CPU_SECONDS = 'process_cpu_seconds_total'
const HTTP_RUNS = 10
const MAIN = fileURLToPath(new URL('./meterline-main.ts', import.meta.url))

/** Measures Meterline: events over HTTP, answers by its own query code and over HTTP. */
export async function measureMeterline(plan: IngestPlan, closers: Closers): Promise<MeterlineResult> {
  const dataDir = makeTemporaryDirectory(closers)
  const partners = await runForked<MeterlineTask, SeededPeerPartner[]>(MAIN, { dataDir, plan }, closers)
  const ingest = await ingestOverHttp(dataDir, plan, closers)
  const asked = await runForked<MeterlineTask, MeterlineAsked>(MAIN, { dataDir, plan, partners }, closers)
  const service = await startServiceProcess(dataDir, closers, { environment: ENVIRONMENT })
  const http = await askOverHttp(service, partners)
  await service.stop()
  return {
    name: 'meterline',
    what: 'Meterline',
    ingest,
    questions: asked.questions,
    http,
    bytesPerEvent: asked.bytesOnDisk / plan.merged,
    eventBytesPerEvent: asked.rawBytesOnDisk / plan.merged,
  }
}

/** No month is closed meanwhile. */
const ENVIRONMENT = { CLOSE_GRACE_HOURS: '1000000' }

async function ingestOverHttp(dataDir: string, plan: IngestPlan, closers: Closers): Promise<IngestCost> {
  const batches = batchesOf(plan)
  const killed = killedBatchOf(batches)
  const bodies = batches.map(({ numbers }) => Buffer.from(`${numbers.map((number) => eventJson(makePeerEvent(number, plan.events))).join('\n')}\n`, 'utf8'))
  let service = await startServiceProcess(dataDir, closers, { environment: ENVIRONMENT })
  const key = await createKey(service)
  const before = await cpuOf(service)
  const startedMs = performance.now()
  await send(service, key, bodies.slice(0, killed + 1))
  const untilKill = await cpuOf(service)
  const killedMs = performance.now()
  await service.kill()
  service = await startServiceProcess(dataDir, closers, { environment: ENVIRONMENT })
  const restartSeconds = (performance.now() - killedMs) / 1000
  await send(service, key, bodies.slice(killed))
  const seconds = (performance.now() - startedMs) / 1000
  const cpuSeconds = untilKill - before + (await cpuOf(service))
  await service.stop()
  return { seconds, restartSeconds, cpuSeconds }
}

async function createKey({ url, adminToken }: ServiceProcess): Promise<string> {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}/admin/v1/ingest-keys`, { method: 'POST', headers, body: JSON.stringify({ name: 'peers' }) })
  if (!answer.ok) throw new Error(`No ingest key could be created: status ${answer.status}.`)
  return ((await answer.json()) as { key: string }).key
}

async function cpuOf(service: ServiceProcess): Promise<number> {
  return (await service.metrics()).get(CPU_SECONDS) ?? Number.NaN
}

/** One request after another, as every other shape gets its batches. */
async function send({ url }: ServiceProcess, key: string, bodies: readonly Buffer[]): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' }
  const requests = bodies.map((body): Request => ({ method: 'POST', url: new URL('/v1/events', url), headers, body }))
  const { answers } = await runLoad({ connections: 1, secondsMax: 3_600, requests })
  for (const { body } of answers) {
    const { rejected } = JSON.parse(body.toString('utf8')) as { rejected: number | unknown[] }
    if (Array.isArray(rejected) ? rejected.length > 0 : rejected !== 0) throw new Error(`Events were rejected: ${body.toString('utf8').slice(0, 500)}`)
  }
}

async function askOverHttp({ url }: ServiceProcess, partners: readonly SeededPeerPartner[]): Promise<Record<Question, HttpAnswer>> {
  const asked: Partial<Record<Question, HttpAnswer>> = {}
  for (const question of QUESTIONS) {
    const requests = requestsOf(question, url, partners)
    const times: number[] = []
    let bodies: string[] = []
    for (let run = 0; run <= HTTP_RUNS; run += 1) {
      const { seconds, answers } = await runLoad({ connections: 1, secondsMax: 60, requests })
      bodies = answers.map(({ body }) => body.toString('utf8'))
      if (run > 0) times.push(seconds * 1000)
    }
    const names = question === 'project_week' ? 'projectSummaryName' : 'partnershipName'
    asked[question] = { ms: median(times), answer: new Map(bodies.map((body, partner) => [partnerKey(partner), quantitiesOf(body, names)])) }
  }
  return asked as Record<Question, HttpAnswer>
}

function requestsOf(question: Question, url: string, partners: readonly SeededPeerPartner[]): Request[] {
  const get = ({ id, secret }: SeededPeerPartner, path: string): Request => {
    return { method: 'GET', url: new URL(`/partnership/v1/${id}/${path}`, url), headers: { 'x-partnership-secret': secret } }
  }
  const [first] = partners
  if (first === undefined) throw new Error('There are no partners.')
  if (question === 'project_week') return [get(first, `${projectId(ASKED_PROJECT)}/usage?start_date=${WEEK.first}&end_date=${WEEK.last}`)]
  const month = `usage?start_date=${MONTH.first}&end_date=${MONTH.last}`
  return (question === 'partner_month' ? [first] : partners).map((partner) => get(partner, month))
}

function quantitiesOf(body: string, names: 'projectSummaryName' | 'partnershipName') {
  const { summary } = parseExactJson(body) as { summary: Record<string, NumberToken> }
  return Object.fromEntries(METRIC_NAMES.map((metric) => [metric, summary[METRICS[metric][names]]?.text ?? 'missing']))
}
