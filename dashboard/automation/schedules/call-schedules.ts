import type { AnswerOf, RequestInput } from '../../../contract/operation.ts'
import type {
  CREATE_SCHEDULE,
  DELETE_SCHEDULE,
  GET_SCHEDULE,
  LIST_EXECUTIONS,
  LIST_SCHEDULES,
  RUN_SCHEDULE,
  UPDATE_SCHEDULE,
} from '../../../contract/schedules.ts'
import { call, download } from '../../calls/call.ts'
import { type AsText, parseWithNumbersAsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

export type Schedule = AsText<AnswerOf<typeof GET_SCHEDULE>>
export type NewSchedule = NonNullable<RequestInput<typeof CREATE_SCHEDULE>['body']>
export type ScheduleChange = NonNullable<RequestInput<typeof UPDATE_SCHEDULE>['body']>

export const RUNS_PER_PAGE = 25

export function readSchedules(signal: AbortSignal) {
  return call<typeof LIST_SCHEDULES>(caller(signal), { method: 'GET', path: '/api/schedules' })
}

export function readSchedule(id: string, signal: AbortSignal) {
  return call<typeof GET_SCHEDULE>(caller(signal), { method: 'GET', path: '/api/schedules/:scheduleId', params: { scheduleId: id } })
}

/** A schedule as a form has it. */
export interface EditedSchedule {
  readonly schedule: Schedule
  /** Its body as JSON, where numbers are numbers; empty without one. */
  readonly bodyText: string
}

/** Other answers have every number as a text, which would make a text of each number in the body. */
export async function readEditedSchedule(id: string, signal: AbortSignal): Promise<EditedSchedule> {
  const { chunks } = await download<typeof GET_SCHEDULE>(caller(signal), { method: 'GET', path: '/api/schedules/:scheduleId', params: { scheduleId: id } })
  const text = await new Response(chunks).text()
  const { body } = JSON.parse(text)
  return { schedule: parseWithNumbersAsText(text) as Schedule, bodyText: body === null ? '' : JSON.stringify(body, null, 2) }
}

export function readRuns(id: string, offset: number, signal: AbortSignal) {
  const query = { limit: RUNS_PER_PAGE, offset }
  return call<typeof LIST_EXECUTIONS>(caller(signal), { method: 'GET', path: '/api/schedules/:scheduleId/logs', params: { scheduleId: id }, query })
}

export function createSchedule(body: NewSchedule) {
  return call<typeof CREATE_SCHEDULE>(caller(), { method: 'POST', path: '/api/schedules', body })
}

export function changeSchedule(id: string, body: ScheduleChange) {
  return call<typeof UPDATE_SCHEDULE>(caller(), { method: 'PATCH', path: '/api/schedules/:scheduleId', params: { scheduleId: id }, body })
}

export function deleteSchedule(id: string) {
  return call<typeof DELETE_SCHEDULE>(caller(), { method: 'DELETE', path: '/api/schedules/:scheduleId', params: { scheduleId: id } })
}

export function runSchedule(id: string) {
  return call<typeof RUN_SCHEDULE>(caller(), { method: 'POST', path: '/api/schedules/:scheduleId/run', params: { scheduleId: id } })
}
