import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { listCorrections } from '../../aggregator/usage/stored-corrections.ts'
import { LIST_CORRECTIONS, type SentCorrection, SUBMIT_CORRECTIONS } from '../../contract/corrections.ts'
import { decodeEvent } from '../../ingest/event/decode-body.ts'
import { validateEvents } from '../../ingest/event/validate-events.ts'
import { groupedBy } from '../../metering/grouped-by.ts'
import { dayAfter } from '../../metering/period.ts'
import { DAY_AFTER_LAST } from '../../metering/storable-days.ts'
import { correctionAnswer } from '../answers/correction.ts'
import { eventsAnswer } from '../answers/events.ts'
import { FINANCE } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { withCorrectedDays } from '../requests/reject-closed-months.ts'
import { addRoute } from '../route.ts'

/**
 * Corrections by operators and finance. They are events of the same log as those of emitters, so they count once and in its order. Unlike
 * those of emitters they may change closed months (api/routes/events.ts checks that).
 */
export function submitCorrections(app: FastifyInstance, { limitedReads, registry, eventLog, knownMetrics, now }: ApiContext): void {
  addRoute(app, SUBMIT_CORRECTIONS, { access: FINANCE, bodyLimit: BODY_BYTES_MAX }, async (request, reply) => {
    const receivedMs = now()
    const sent = request.body.corrections.map((each) => ({ ...each, event_id: each.event_id ?? derivedId(each) }))
    // Entries that wait at the same time share one insert.
    const noted = [...groupedBy(sent, ({ project_id }) => project_id)].map(([projectId, ofProject]) => {
      const details = { corrections: ofProject.length, events: ofProject.slice(0, IDS_NOTED_MAX).map(({ corrects }) => corrects) }
      return registry.changes.note(actorOf(request), { action: 'events.correct', subject: projectId, details })
    })
    await Promise.all(noted)
    const bodies = sent.map((each) => Buffer.from(JSON.stringify(each)))
    const arrivals = bodies.map((body, index) => ({ ...decodeEvent(body), index }))
    const validated = await withCorrectedDays(limitedReads, await validateEvents(arrivals, { receivedMs, allowedProjects: 'all' }, knownMetrics))
    const bytes = bodies.reduce((sum, body) => sum + body.length, 0)
    const verdicts = await eventLog.submit({ validated, ingestKeyId: '', receivedMs, bytes, traceparent: request.traced?.traceparent })
    return reply.code(eventLog.acknowledges === 'durable' ? 202 : 200).send(eventsAnswer(eventLog, validated, verdicts))
  })
}

/** Enough for so many corrections with the longest ids and reasons. */
const BODY_BYTES_MAX = 4 * 1024 * 1024
/** The audit log names so many events of each project. */
const IDS_NOTED_MAX = 20

/** The same correction has the same id, so that sending it again is a duplicate. */
function derivedId({ project_id, corrects, action, value, reason }: SentCorrection): string {
  const content = JSON.stringify([project_id, corrects, action, value ?? null, reason])
  return `correction-${createHash('sha256').update(content).digest('hex').slice(0, 32)}`
}

export function listCorrectionsRoute(app: FastifyInstance, { limitedReads }: ApiContext): void {
  addRoute(app, LIST_CORRECTIONS, { access: FINANCE }, async (request) => {
    const { project_id: projectId, from = FIRST_DAY, to, limit, cursor } = request.query
    const query = [projectId, from, to]
    const place = cursor === undefined ? undefined : requirePlace(cursor, query, z.tuple([z.number().int(), z.string(), z.string()]))
    const after = place === undefined ? undefined : { receivedMs: place[0], eventId: place[1], corrects: place[2] }
    const end = to === undefined ? DAY_AFTER_LAST : dayAfter(to)
    const rows = await listCorrections(limitedReads, { projectId, from, end, after, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(rows, limit, ({ receivedMs, eventId, corrects }) => writePlace(query, [receivedMs, eventId, corrects]))
    return { corrections: shown.map((each) => ({ ...correctionAnswer(each), metric: each.metric, usage_date: each.day })), next_cursor }
  })
}

const FIRST_DAY = '1970-01-01'
