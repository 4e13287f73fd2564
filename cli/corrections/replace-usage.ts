import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint } from '../../contract/client.ts'
import { type CLOSE_BATCH, GET_BATCH, LIST_BATCHES, OPEN_BATCH, SEND_BATCH_EVENTS } from '../../contract/correction-batches.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { counted } from '../../metering/counted.ts'
import { CliError } from '../errors.ts'
import { call, callForList } from '../http-client.ts'
import type { EventToSend } from './read-events.ts'

export type Batch = AnswerOf<typeof GET_BATCH>['batch']
export type Preview = NonNullable<AnswerOf<typeof CLOSE_BATCH>['preview']>

export interface WindowOptions {
  readonly project: string
  readonly metric: string
  readonly from: string
  readonly to: string
  readonly reason: string
}

/** The open batch of an interrupted call for the same window and reason, or else a new one. */
export async function openOrContinue(endpoint: Endpoint, { project, ...window }: WindowOptions): Promise<{ batch: Batch; isNew: boolean }> {
  const { answer } = await callForList(endpoint, LIST_BATCHES, { rows: 'batches', query: { project_id: project } })
  const same = answer.batches.find(
    ({ state, metric, from, to, reason }) =>
      state === 'open' && metric === window.metric && from === window.from && to === window.to && reason === window.reason,
  )
  if (same !== undefined) return { batch: same, isNew: false }
  const opened = await call(endpoint, OPEN_BATCH, { body: { project_id: project, ...window } })
  if (!('batch' in opened)) throw new CliError('The service did not open a batch.')
  return { batch: opened.batch, isNew: true }
}

/** Sends the events, and waits until the batch has them. Throws CliError if one is rejected: then nothing must be closed. */
export async function sendEvents(endpoint: Endpoint, id: string, events: readonly EventToSend[]): Promise<Batch> {
  const rejected: { readonly line: number; readonly reason: string; readonly message: string }[] = []
  for (let first = 0; first < events.length; first += EVENTS_PER_REQUEST) {
    const answer = await call(endpoint, SEND_BATCH_EVENTS, { params: { batchId: id }, body: events.slice(first, first + EVENTS_PER_REQUEST) })
    rejected.push(...answer.rejected.map(({ index, reason, message }) => ({ line: first + index + 1, reason, message })))
  }
  const [worst] = rejected
  if (worst !== undefined) {
    const which = `event ${worst.line}: ${worst.reason}: ${worst.message}`
    throw new CliError(`${counted(rejected.length, 'event')} of the file were rejected, and nothing was replaced. The first one is ${which}`, undefined, {
      next: 'Correct the file and run the command again. It goes on with the same batch, and no event counts twice.',
    })
  }
  const ids = new Set(events.map(({ event_id }) => event_id)).size
  return waitFor(endpoint, id, (batch) => batch.events >= ids)
}

/** With Kafka, what is durable is counted a moment later. Throws CliError when it takes too long. */
export async function waitFor(endpoint: Endpoint, id: string, isDone: (batch: Batch) => boolean): Promise<Batch> {
  const giveUpAtMs = performance.now() + WAIT_MS_MAX
  for (;;) {
    const { batch } = await call(endpoint, GET_BATCH, { params: { batchId: id } })
    if (isDone(batch)) return batch
    if (performance.now() > giveUpAtMs)
      throw new CliError(`The topic has not been read to the records of the batch ${id} within ${WAIT_MS_MAX / 1000} seconds.`, undefined, {
        next: 'Nothing is lost. If "meterline rejected list" names an event or the closing of this batch, correct what it says; otherwise run the command again when "meterline log list" shows that the topic is read.',
        retryable: true,
      })
    await sleep(WAIT_EVERY_MS)
  }
}

/** About as much as a request may have, for events of usual size. */
const EVENTS_PER_REQUEST = 5_000
const WAIT_MS_MAX = 60_000
const WAIT_EVERY_MS = 250
