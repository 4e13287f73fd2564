import type { AnswerOf, RequestInput } from '../../../contract/operation.ts'
import type {
  CREATE_OWN_THRESHOLD,
  CREATE_THRESHOLD,
  LIST_OWN_THRESHOLDS,
  LIST_THRESHOLDS,
  OWN_THRESHOLD_BUDGET,
  OWN_THRESHOLD_HISTORY,
  REMOVE_OWN_THRESHOLD,
  REMOVE_THRESHOLD,
  THRESHOLD_BUDGET,
  THRESHOLD_HISTORY,
  UPDATE_OWN_THRESHOLD,
  UPDATE_THRESHOLD,
} from '../../../contract/thresholds.ts'
import type { Subject } from '../../address/subject.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

export type Threshold = AsText<AnswerOf<typeof LIST_THRESHOLDS>>['thresholds'][number]
export type NewThreshold = NonNullable<RequestInput<typeof CREATE_THRESHOLD>['body']>
export type ThresholdChanges = NonNullable<RequestInput<typeof UPDATE_THRESHOLD>['body']>

const CROSSINGS_PER_PAGE = 50

export function readThresholds({ partnerId, asAdmin }: Subject, signal: AbortSignal) {
  if (asAdmin) return call<typeof LIST_THRESHOLDS>(caller(signal), { method: 'GET', path: '/admin/v1/thresholds' })
  return call<typeof LIST_OWN_THRESHOLDS>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/thresholds', params: { partnerId } })
}

export function createThreshold({ partnerId, asAdmin }: Subject, { partner_id, ...own }: NewThreshold) {
  if (asAdmin) {
    const body = partner_id === undefined ? own : { ...own, partner_id }
    return call<typeof CREATE_THRESHOLD>(caller(), { method: 'POST', path: '/admin/v1/thresholds', body })
  }
  return call<typeof CREATE_OWN_THRESHOLD>(caller(), { method: 'POST', path: '/partnership/v1/:partnerId/thresholds', params: { partnerId }, body: own })
}

export function updateThreshold({ partnerId, asAdmin }: Subject, thresholdId: string, body: ThresholdChanges) {
  const request = { method: 'PATCH', params: { partnerId, thresholdId }, body } as const
  if (asAdmin) return call<typeof UPDATE_THRESHOLD>(caller(), { ...request, path: '/admin/v1/thresholds/:thresholdId' })
  return call<typeof UPDATE_OWN_THRESHOLD>(caller(), { ...request, path: '/partnership/v1/:partnerId/thresholds/:thresholdId' })
}

export function removeThreshold({ partnerId, asAdmin }: Subject, thresholdId: string) {
  const request = { method: 'DELETE', params: { partnerId, thresholdId } } as const
  if (asAdmin) return call<typeof REMOVE_THRESHOLD>(caller(), { ...request, path: '/admin/v1/thresholds/:thresholdId' })
  return call<typeof REMOVE_OWN_THRESHOLD>(caller(), { ...request, path: '/partnership/v1/:partnerId/thresholds/:thresholdId' })
}

export function readCrossings(
  { partnerId, asAdmin }: Subject,
  { thresholdId, cursor }: { thresholdId: string; cursor: string | undefined },
  signal: AbortSignal,
) {
  const request = { method: 'GET', params: { partnerId, thresholdId }, query: { limit: CROSSINGS_PER_PAGE, cursor } } as const
  if (asAdmin) return call<typeof THRESHOLD_HISTORY>(caller(signal), { ...request, path: '/admin/v1/thresholds/:thresholdId/history' })
  return call<typeof OWN_THRESHOLD_HISTORY>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/thresholds/:thresholdId/history' })
}

/** What is used in the current month. */
export function readUsed({ partnerId, asAdmin }: Subject, thresholdId: string, signal: AbortSignal) {
  const request = { method: 'GET', params: { partnerId, thresholdId } } as const
  if (asAdmin) return call<typeof THRESHOLD_BUDGET>(caller(signal), { ...request, path: '/admin/v1/thresholds/:thresholdId/budget' })
  return call<typeof OWN_THRESHOLD_BUDGET>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/thresholds/:thresholdId/budget' })
}
