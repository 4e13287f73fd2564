import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type BatchState, readBatchStates } from '../../aggregator/corrections/batch-states.ts'
import { type BatchPreview, previewBatch, type UsageChange } from '../../aggregator/corrections/preview-batch.ts'
import { readClosedMonths } from '../../aggregator/statements/closed-months.ts'
import { CLOSE_BATCH, GET_BATCH, LIST_BATCHES, OPEN_BATCH, REVERT_BATCH, SEND_BATCH_EVENTS } from '../../contract/correction-batches.ts'
import { EVENTS_BODY_BYTES_MAX } from '../../contract/events.ts'
import { isKindOfStates, type MetricKind } from '../../metering/metrics.ts'
import { monthOf } from '../../metering/month.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { type WindowAction, windowRecordOf, windowRecordText } from '../../metering/window-record.ts'
import { type CorrectionBatch, findBatch, listBatches, storeBatch } from '../../registry/correction-batches.ts'
import { eventsAnswer } from '../answers/events.ts'
import { FINANCE } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { validateEventsOfBatch } from '../requests/events-of-batch.ts'
import { requireMetric } from '../requests/require-metric.ts'
import { addRoute } from '../route.ts'
import { bodyOf, decodeArrivals } from './events.ts'

/** The replacement of usage by operators and finance: a batch is opened, its events are sent, and one record of the log closes it. */
export function addBatchRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, limitedReads, now } = context
  addRoute(app, OPEN_BATCH, { access: FINANCE }, async (request, reply) => {
    const { project_id: projectId, metric, from, to, reason, dry_run } = request.body
    const { kind } = await requireMetric(registry, 'body.metric', metric)
    if (isKindOfStates(kind)) throw new ApiError('INVALID_REQUEST', `body.metric: ${describeNotReplaced(metric, kind)}`)
    const batch = { id: randomUUID(), projectId, metric, from, to, reason, createdMs: now() }
    if (dry_run) return reply.send({ preview: await preview(context, { ...batch, id: '' }, 'close') })
    await storeBatch(registry, actorOf(request), batch)
    return reply.code(201).send({ batch: batchAnswer(batch, undefined) })
  })
  addRoute(app, LIST_BATCHES, { access: FINANCE }, async (request) => {
    const { project_id: projectId = '', limit, cursor } = request.query
    const place = cursor === undefined ? undefined : requirePlace(cursor, [projectId], z.tuple([z.number().int(), z.string()]))
    const after = place === undefined ? undefined : { createdMs: place[0], id: place[1] }
    const rows = await listBatches(registry, { projectId, after, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(rows, limit, ({ createdMs, id }) => writePlace([projectId], [createdMs, id]))
    const states = await readBatchStates(limitedReads, shown)
    return { batches: shown.map((batch) => batchAnswer(batch, states.get(batch.id))), next_cursor }
  })
  addRoute(app, GET_BATCH, { access: FINANCE }, async ({ params }) => {
    const { batch, state } = await requireBatch(context, params.batchId)
    return { batch: batchAnswer(batch, state) }
  })
  addRoute(app, CLOSE_BATCH, { access: FINANCE }, async (request, reply) => {
    const { status, answer } = await step(context, request, 'close')
    return reply.code(status).send(answer)
  })
  addRoute(app, REVERT_BATCH, { access: FINANCE }, async (request, reply) => {
    const { status, answer } = await step(context, request, 'revert')
    return reply.code(status).send(answer)
  })
}

/** Neither adds up, so no preview could say what the replacement changes. */
function describeNotReplaced(metric: string, kind: MetricKind): string {
  return `${metric} is of the kind ${kind}, whose usage is not replaced as a whole. Void the events that are wrong, and send others with ids of their own.`
}

/** On an app of acceptEventBodies. */
export function sendBatchEvents(app: FastifyInstance, context: ApiContext): void {
  const { registry, eventLog, knownMetrics: metrics, now } = context
  addRoute(app, SEND_BATCH_EVENTS, { access: FINANCE, bodyLimit: EVENTS_BODY_BYTES_MAX }, async (request, reply) => {
    const receivedMs = now()
    const body = bodyOf(request)
    const arrivals = decodeArrivals(body, request)
    const { batch, state } = await requireBatch(context, request.params.batchId)
    if (state?.closedMs !== undefined) throw new ApiError('BATCH_CLOSED')
    const validated = await validateEventsOfBatch(arrivals, batch, { receivedMs, metrics })
    await registry.changes.note(actorOf(request), {
      action: 'correction-batch.send',
      subject: batch.projectId,
      details: { batch: batch.id, events: arrivals.length },
    })
    const submission = { validated, ingestKeyId: '', receivedMs, bytes: body.length, traceparent: request.traced?.traceparent }
    const verdicts = validated.length === 0 ? [] : await eventLog.submit(submission)
    return reply.code(eventLog.acknowledges === 'durable' ? 202 : 200).send(eventsAnswer(eventLog, validated, verdicts))
  })
}

type StepRequest = FastifyRequest<{ Params: { batchId: string }; Body: { dry_run: boolean } }>

/** Closes or reverts a batch. What was done before is answered again, and nothing is written. */
async function step(context: ApiContext, request: StepRequest, action: WindowAction) {
  const { registry, eventLog, now } = context
  const { batch, state } = await requireBatch(context, request.params.batchId)
  const answerOf = (current: BatchState | undefined, previewed: Awaited<ReturnType<typeof preview>> | null = null) => {
    return { batch: batchAnswer(batch, current), preview: previewed }
  }
  if (request.body.dry_run) return { status: 200, answer: answerOf(state, await preview(context, batch, action)) } as const
  if ((action === 'close' ? state?.closedMs : state?.revertedMs) !== undefined) return { status: 200, answer: answerOf(state) } as const
  if (action === 'revert' && state?.closedMs === undefined) throw new ApiError('BATCH_REJECTED', 'This batch is not closed, so there is nothing to revert.')
  await registry.changes.note(actorOf(request), { action: `correction-batch.${action}`, subject: batch.projectId, details: { batch: batch.id } })
  const window = windowRecordOf(batch.id, action, batch, batch.reason)
  const original = Buffer.from(windowRecordText(window))
  const validated = [{ status: 'window', index: 0, format: 'json', window, original: () => original }] as const
  const [verdict] = await eventLog.submit({ validated, ingestKeyId: '', receivedMs: now(), bytes: original.length, traceparent: request.traced?.traceparent })
  if (verdict?.status === 'rejected') throw new ApiError('BATCH_REJECTED', verdict.rejection.message)
  const { state: current } = await requireBatch(context, batch.id)
  return { status: verdict?.status === 'produced' ? 202 : 200, answer: answerOf(current) } as const
}

async function requireBatch({ registry, limitedReads }: ApiContext, id: string): Promise<{ batch: CorrectionBatch; state: BatchState | undefined }> {
  const batch = await findBatch(registry, id)
  if (batch === undefined) throw new ApiError('BATCH_NOT_FOUND')
  return { batch, state: (await readBatchStates(limitedReads, [batch])).get(id) }
}

async function preview({ registry, limitedReads }: ApiContext, { id, ...window }: CorrectionBatch, action: WindowAction) {
  const { kind } = await requireMetric(registry, 'metric', window.metric)
  const month = monthOf(window.from)
  const closed = (await readClosedMonths(limitedReads, [window.projectId])).get(window.projectId)?.has(month) === true
  return previewAnswer(await previewBatch(limitedReads, { ...window, batch: id, action, kind }), { month, closed })
}

function previewAnswer({ days, month: change }: BatchPreview, { month, closed }: { readonly month: string; readonly closed: boolean }) {
  return {
    days: days.map(({ day, ...each }) => ({ usage_date: day, ...changeAnswer(each), events_before: each.eventsBefore, events_after: each.eventsAfter })),
    month: { month, ...changeAnswer(change), is_closed: closed, billed_on: closed ? ('next_statement' as const) : ('statement' as const) },
  }
}

function changeAnswer({ before, after, difference }: UsageChange) {
  const numberOf = (text: string | null) => (text === null ? null : new NumberToken(text))
  return { before: numberOf(before), after: numberOf(after), difference: new NumberToken(difference) }
}

function batchAnswer({ id, projectId, metric, from, to, reason, createdMs }: CorrectionBatch, state: BatchState | undefined) {
  const status = state?.revertedMs !== undefined ? 'reverted' : state?.closedMs !== undefined ? 'closed' : 'open'
  return {
    ...{ id, project_id: projectId, metric, from, to, reason },
    state: status as 'open' | 'closed' | 'reverted',
    events: state === undefined ? 0 : state.events,
    created_at: formatTimestamp(createdMs),
    closed_at: instantOrNull(state?.closedMs),
    reverted_at: instantOrNull(state?.revertedMs),
  }
}
