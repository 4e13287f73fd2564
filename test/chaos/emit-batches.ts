import type { TestEvent } from '../support/clients/client.ts'
import type { Random } from '../support/random.ts'
import type { Acknowledged } from './acknowledged.ts'
import { afterMs } from './clock.ts'
import { type RecordGenerator, recordOf } from './generate-records.ts'

export interface EmitBatchesOptions {
  readonly generator: RecordGenerator
  readonly random: Random
  readonly acknowledged: Acknowledged
  readonly adminToken: string
  /** The URLs of the api processes that listen now. */
  urls(): readonly string[]
  ending(): boolean
}

interface Batch {
  readonly id: string
  readonly projectId: string
}

const EVERY_MS = 2_000
const REQUEST_MS_MAX = 20_000
/** Few, so that many windows overlap. */
const BATCH_PROJECTS = 6
const BATCH_METRICS = ['ai_tokens', 'database_size_bytes', 'ai_credits']
const BATCH_MONTHS = 5
const BATCH_DAYS_MAX = 10
const BATCH_EVENTS_MAX = 40

/**
 * Replaces the usage of some days again and again, as operators do: opens a batch, sends its events, closes it, and reverts some of those that
 * were closed before. Each request is sent again until it is answered. Some batches stay open; to some an event comes after the closing.
 */
export async function emitBatches(options: EmitBatchesOptions): Promise<void> {
  const { random, acknowledged, ending } = options
  const closed: Batch[] = []
  while (!ending()) {
    const batch = await openBatch(options)
    if (random.below(8) > 0) {
      if (random.below(4) === 0) await post(options, `${batch.id}/close`, { dry_run: true }, [200])
      // With 202 the closing is in the topic. Until it is read, the service takes it again, and further events too.
      await post(options, `${batch.id}/close`, {}, [200, 202])
      acknowledged.add('batches', [{ projectId: batch.projectId, value: null, eventId: `close-${batch.id}` }])
      if (random.below(3) === 0) await sendEvents(options, batch, 1)
      closed.push(batch)
    }
    const reverted = random.below(3) === 0 ? closed.splice(random.below(closed.length), 1)[0] : undefined
    // 409 while its closing is not read yet. In the log it is rejected if a later batch has replaced some of its days.
    if (reverted !== undefined) await post(options, `${reverted.id}/revert`, {}, [200, 202, 409])
    await afterMs(EVERY_MS)
  }
}

interface OpenBatch extends Batch {
  readonly metric: string
  readonly days: readonly string[]
}

async function openBatch(options: EmitBatchesOptions): Promise<OpenBatch> {
  const { random, generator } = options
  const projectId = generator.options.projects[random.below(BATCH_PROJECTS)] ?? ''
  const metric = random.pick(BATCH_METRICS)
  const first = 1 + random.below(28 - BATCH_DAYS_MAX)
  const month = `2026-0${1 + random.below(BATCH_MONTHS)}`
  const days = Array.from({ length: 1 + random.below(BATCH_DAYS_MAX) }, (_, index) => `${month}-${String(first + index).padStart(2, '0')}`)
  const body = { project_id: projectId, metric, from: days[0], to: days.at(-1), reason: 'chaos' }
  const { id } = (await post(options, '', body, [201]))['batch'] as { id: string }
  const batch = { id, projectId, metric, days }
  for (let requests = random.below(3); requests >= 0; requests -= 1) await sendEvents(options, batch, 1 + random.below(BATCH_EVENTS_MAX))
  return batch
}

/** New events, and in place of some of them an event with the id of one that was sent before, which is a conflict. */
async function sendEvents(options: EmitBatchesOptions, batch: OpenBatch, count: number): Promise<void> {
  const { generator, random, acknowledged } = options
  const { sentEvents } = generator.options
  const events = generator.eventsOf(batch, count).map((event): TestEvent => {
    const earlier = random.below(20) === 0 ? sentEvents.pick(random) : undefined
    return earlier?.project_id === batch.projectId ? { ...event, event_id: earlier.event_id } : event
  })
  // 409 once the closing is read.
  const { rejected } = await post(options, `${batch.id}/events`, events, [202, 409])
  if (rejected === undefined) return
  // One that came after the closing is rejected in the log.
  const isMaybeLate = count === 1
  acknowledged.add(
    'batches',
    events.map((event) => ({ ...recordOf(event), ...(isMaybeLate && { eventId: undefined }) })),
  )
  // Others correct them, and send copies, which are no events of the batch.
  for (const event of events) if (random.below(4) === 0) sentEvents.remember(event, random)
}

/** Sends a request until it is answered. Throws unless the answer is one of these. */
async function post(options: EmitBatchesOptions, path: string, body: unknown, statuses: readonly number[]): Promise<Record<string, unknown>> {
  for (;;) {
    const answer = await tryPost(options, path, body)
    if (answer !== undefined && statuses.includes(answer.status)) return answer.status === 409 ? {} : JSON.parse(answer.text)
    if (answer !== undefined) throw new Error(`POST correction-batches/${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`)
    options.acknowledged.countRetry('batches')
    await afterMs(500)
  }
}

/** Undefined if the outcome is unknown. */
async function tryPost({ urls, random, adminToken }: EmitBatchesOptions, path: string, body: unknown): Promise<{ status: number; text: string } | undefined> {
  const listening = urls()
  if (listening.length === 0) return undefined
  try {
    const response = await fetch(new URL(`/admin/v1/correction-batches${path === '' ? '' : `/${path}`}`, random.pick(listening)), {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
    const text = await response.text()
    return response.status >= 500 || response.status === 429 ? undefined : { status: response.status, text }
  } catch {
    return undefined
  }
}
