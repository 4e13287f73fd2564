import type { AnswerOf } from '../../../contract/operation.ts'
import type { LIST_REJECTED_EVENTS, RESEND_REJECTED_EVENTS } from '../../../contract/rejected-events.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

type RejectedPageAnswer = AsText<AnswerOf<typeof LIST_REJECTED_EVENTS>>
export type RejectedEvent = RejectedPageAnswer['rejected_events'][number]
export type ResentEvent = AsText<AnswerOf<typeof RESEND_REJECTED_EVENTS>>['events'][number]

const ROWS_PER_PAGE = 50

export function readRejected(cursor: string | undefined, signal: AbortSignal): Promise<RejectedPageAnswer> {
  return call<typeof LIST_REJECTED_EVENTS>(caller(signal), { method: 'GET', path: '/admin/v1/rejected-events', query: { limit: ROWS_PER_PAGE, cursor } })
}

export async function resendEvents(ids: readonly string[]): Promise<readonly ResentEvent[]> {
  const body = { ids: [...ids] }
  return (await call<typeof RESEND_REJECTED_EVENTS>(caller(), { method: 'POST', path: '/admin/v1/rejected-events/resend', body })).events
}
