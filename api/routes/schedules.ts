import type { FastifyInstance } from 'fastify'
import { createSchedule, deleteSchedule, type Rejection, requestRun, type ScheduleStore, updateSchedule } from '../../automation/schedules/change-schedules.ts'
import { timingOf } from '../../automation/schedules/next-run.ts'
import { type RunRow, readExecutions, readLastOutcomes, runIdOf } from '../../automation/schedules/schedule-runs.ts'
import { findSchedule, readSchedules, type StoredSchedule } from '../../automation/schedules/stored-schedules.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { CREATE_SCHEDULE, DELETE_SCHEDULE, GET_SCHEDULE, LIST_EXECUTIONS, LIST_SCHEDULES, RUN_SCHEDULE, UPDATE_SCHEDULE } from '../../contract/schedules.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { OperatorContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { addRoute } from '../route.ts'

/** All answers are `noStore`: headers of a schedule may contain credentials that are no secrets of /api/secrets. */
export function listSchedulesRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, LIST_SCHEDULES, { access: OPERATOR, noStore: true }, async () => ({
    schedules: await answersOf(context, await readSchedules(context.clickhouse)),
  }))
}

export function createScheduleRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, CREATE_SCHEDULE, { access: OPERATOR, noStore: true }, async (request) => {
    const { name, isActive, functionUrl = null, export: action = null, ...rest } = request.body
    const outcome = await createSchedule(storeOf(context), actorOf(request), { name, isActive, definition: { ...rest, functionUrl, export: action } })
    if (outcome.status === 'full') throw new ApiError('SCHEDULES_FULL')
    if (outcome.status !== 'created') throw rejectionError(outcome)
    return answerOf(context, outcome.schedule)
  })
}

export function getScheduleRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, GET_SCHEDULE, { access: OPERATOR, noStore: true }, async (request) =>
    answerOf(context, await requireSchedule(context, request.params.scheduleId)),
  )
}

export function updateScheduleRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, UPDATE_SCHEDULE, { access: OPERATOR, noStore: true }, async (request) => {
    const { name, isActive, ...definition } = request.body
    if (Object.keys(request.body).length === 0) throw new ApiError('INVALID_REQUEST', 'Nothing to change. Send at least one field of the schedule')
    const outcome = await updateSchedule(storeOf(context), actorOf(request), request.params.scheduleId, { name, isActive, definition })
    if (outcome.status === 'not_found') throw new ApiError('SCHEDULE_NOT_FOUND')
    if (outcome.status !== 'updated') throw rejectionError(outcome)
    return answerOf(context, outcome.schedule)
  })
}

export function deleteScheduleRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, DELETE_SCHEDULE, { access: OPERATOR, noStore: true }, async (request) => {
    const outcome = await deleteSchedule(storeOf(context), actorOf(request), request.params.scheduleId)
    if (outcome.status === 'not_found') throw new ApiError('SCHEDULE_NOT_FOUND')
    return { success: true as const, message: `Schedule ${outcome.name} has been deleted successfully` }
  })
}

export function runScheduleRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, RUN_SCHEDULE, { access: OPERATOR, noStore: true }, async (request) => {
    const { scheduleId: id } = request.params
    const outcome = await requestRun(storeOf(context), actorOf(request), id)
    if (outcome.status === 'not_found') throw new ApiError('SCHEDULE_NOT_FOUND')
    if (outcome.status === 'waiting') throw new ApiError('SCHEDULE_RUNS_WAITING')
    return { id: outcome.runId, scheduleId: id, dueAt: formatTimestamp(outcome.dueMs) }
  })
}

export function listExecutionsRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, LIST_EXECUTIONS, { access: OPERATOR, noStore: true }, async (request) => {
    const { id: scheduleId } = await requireSchedule(context, request.params.scheduleId)
    const { limit, offset } = request.query
    const { rows, totalCount } = await readExecutions(context.clickhouse, { scheduleId, limit, offset })
    return { logs: rows.map(executionAnswer), limit, offset, totalCount }
  })
}

function storeOf({ registry, automation, now }: OperatorContext): ScheduleStore {
  return { clickhouse: registry.clickhouse, changes: registry.changes, ...automation, now }
}

function rejectionError(rejection: Rejection): ApiError {
  switch (rejection.status) {
    case 'invalid':
      return new ApiError('INVALID_REQUEST', `body.${rejection.field}: ${rejection.problem}`)
    case 'secret_not_found':
      return new ApiError('SECRET_NOT_FOUND', `body.headers: secret not found: ${rejection.key}`)
    case 'partner_not_found':
      return new ApiError('PARTNER_NOT_FOUND', 'body.export.partner: partner not found')
  }
}

async function requireSchedule({ clickhouse }: OperatorContext, id: string): Promise<StoredSchedule> {
  const found = await findSchedule(clickhouse, id)
  if (found === undefined) throw new ApiError('SCHEDULE_NOT_FOUND')
  return found
}

type ScheduleAnswer = AnswerOf<typeof GET_SCHEDULE>

async function answersOf({ clickhouse, now }: OperatorContext, schedules: readonly StoredSchedule[]): Promise<ScheduleAnswer[]> {
  const lastRuns = await readLastOutcomes(
    clickhouse,
    schedules.map(({ id }) => id),
  )
  return schedules.map(({ id, name, definition, isActive, createdMs, updatedMs }) => {
    const last = lastRuns.get(id)
    return {
      id,
      name,
      ...definition,
      isActive,
      lastExecutedAt: instantOrNull(last?.executedMs),
      lastSuccess: last === undefined ? null : last.state === 'succeeded',
      lastMessage: last?.message ?? null,
      nextRun: isActive ? instantOrNull(timingOf(definition)?.nextAfter(now())) : null,
      createdAt: formatTimestamp(createdMs),
      updatedAt: formatTimestamp(updatedMs),
    }
  })
}

async function answerOf(context: OperatorContext, schedule: StoredSchedule): Promise<ScheduleAnswer> {
  const [answer] = await answersOf(context, [schedule])
  if (answer === undefined) throw new Error('A schedule has no answer.')
  return answer
}

function executionAnswer({ scheduleId, dueMs, executedMs, statusCode, state, durationMs, message }: RunRow) {
  const [dueAt, executedAt] = [formatTimestamp(dueMs), formatTimestamp(executedMs)]
  return { id: runIdOf({ scheduleId, dueMs }), scheduleId, dueAt, executedAt, statusCode, success: state === 'succeeded', durationMs, message }
}
