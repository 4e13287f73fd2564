import { fileURLToPath } from 'node:url'
import type { BenchTopic } from './bench-topic.ts'
import { runForked } from './forked-task.ts'
import type { KafkaService } from './kafka-service.ts'
import type { PacedResult, PacedTask } from './paced-producer-main.ts'
import type { Run } from './report.ts'

const EVENTS_PER_SECOND = 10_000
const SECONDS = 30
const MARK_EVERY_MS = 200
/** The pause between two requests for the usage of the marked project. */
const POLL_MS = 10
const VISIBLE_SECONDS_MAX = 60

export interface VisibleLatency {
  /** For each mark: the time from handing it to the producer until an answer included it. */
  readonly ms: number[]
  readonly eventsPerSecond: number
}

/** Produces events at a steady rate. Some of them, the marks, have value 1 and belong to a registered project whose usage is requested all the time. */
export async function measureVisibleLatency(run: Run, topic: BenchTopic, { service, firstEvent }: { service: KafkaService; firstEvent: number }) {
  run.progress(`latency: ${EVENTS_PER_SECOND} events/s for ${SECONDS} s`)
  const marked = await createMarkedProject(service)
  const task = { brokers: topic.brokers, topic: topic.topic, firstEvent, eventsPerSecond: EVENTS_PER_SECOND, seconds: SECONDS, markEveryMs: MARK_EVERY_MS }
  let produced: PacedResult | undefined
  const producing = runForked<PacedTask, PacedResult>(PACED_MAIN, { ...task, markedProject: marked.projectId }, run.closers).then((done) => {
    produced = done
  })
  /** The time at which each mark was first seen, in order. */
  const seenMs: number[] = []
  const deadlineMs = Date.now() + (SECONDS + VISIBLE_SECONDS_MAX) * 1000
  while (produced === undefined || seenMs.length < produced.emittedMs.length) {
    if (Date.now() > deadlineMs) throw new Error(`Only ${seenMs.length} marks became visible; ${await describe(service, produced)}.`)
    const visible = await readMarks(marked)
    const nowMs = Date.now()
    while (seenMs.length < visible) seenMs.push(nowMs)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  await producing
  const { emittedMs, eventsPerSecond } = produced
  return { ms: emittedMs.map((emitted, mark) => (seenMs[mark] ?? Number.NaN) - emitted), eventsPerSecond } satisfies VisibleLatency
}

async function describe(service: KafkaService, produced: PacedResult | undefined): Promise<string> {
  const metrics = await service.metrics()
  const read = (name: string) => `${name} is ${metrics.get(name)}`
  const emitted = produced === undefined ? 'the producer has not ended' : `${produced.emittedMs.length} were emitted`
  return [emitted, ...['meterline_events_counted_total', 'meterline_log_lag_events', 'meterline_batch_in_flight_seconds', 'meterline_ready'].map(read)].join(
    ', ',
  )
}

interface MarkedProject {
  readonly url: URL
  readonly projectId: string
  readonly headers: Record<string, string>
}

async function createMarkedProject({ url, adminToken }: KafkaService): Promise<MarkedProject> {
  const created = await post(new URL('/admin/v1/partners', url), { authorization: `Bearer ${adminToken}` }, { name: 'bench' })
  const { partner, secret } = created as { partner: { id: string }; secret: string }
  const headers = { 'x-partnership-secret': secret }
  const synced = await post(new URL(`/partnership/v1/${partner.id}/sync-embedded-project`, url), headers, { project_name: 'marked' })
  const { project } = synced as { project: { id: string } }
  return { url: new URL(`/partnership/v1/${partner.id}/${project.id}/usage`, url), projectId: project.id, headers }
}

async function post(url: URL, headers: Record<string, string>, body: object): Promise<unknown> {
  const answer = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${url.pathname} failed with status ${answer.status}: ${await answer.text()}`)
  return answer.json()
}

async function readMarks({ url, headers }: MarkedProject): Promise<number> {
  const day = new Date().toISOString().slice(0, 10)
  const answer = await fetch(`${url}?start_date=${day}&end_date=${day}`, { headers })
  if (!answer.ok) throw new Error(`${url.pathname} failed with status ${answer.status}: ${await answer.text()}`)
  const { summary } = (await answer.json()) as { summary: { total_function_calls: number } }
  return Number(summary.total_function_calls)
}

const PACED_MAIN = fileURLToPath(new URL('./paced-producer-main.ts', import.meta.url))
