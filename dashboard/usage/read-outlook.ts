import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_OWN_THRESHOLDS, LIST_THRESHOLDS } from '../../contract/thresholds.ts'
import type { GET_OWN_PROJECTION, GET_PROJECTION_OF_PARTNER } from '../../contract/usage-projection.ts'
import { isMetricName, METRICS } from '../../metering/metrics.ts'
import type { Subject } from '../address/subject.ts'
import { call } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { caller, hasPartnerSecret, hasRole } from '../session/session.ts'

export type Threshold = AsText<AnswerOf<typeof LIST_THRESHOLDS>>['thresholds'][number]
type Projection = AsText<AnswerOf<typeof GET_OWN_PROJECTION>>
export type Projected = NonNullable<Projection['projected'][string]>

/** What the cards of a month show beside the totals. */
export interface Outlook {
  /** Of all projects of the partner together. */
  readonly thresholds: readonly Threshold[]
  /** Undefined for a month that is over. */
  readonly projection: Projection | undefined
}

/** One call for the thresholds and one for the projection, whatever the number of cards; each only if the credential may make it. */
export async function readOutlook(subject: Subject, isCurrentMonth: boolean, signal: AbortSignal): Promise<Outlook> {
  const [{ thresholds }, projection] = await Promise.all([readThresholds(subject, signal), isCurrentMonth ? readProjection(subject, signal) : undefined])
  const ofPartner = thresholds.filter(({ partner_id, project_id, active }) => active && project_id === null && partner_id === subject.partnerId)
  return { thresholds: ofPartner, projection }
}

/** Of the documented metrics alone. */
export function projectedOf({ projection }: Outlook, metric: string): Projected | undefined {
  return (isMetricName(metric) ? projection?.projected[METRICS[metric].partnershipName] : undefined) ?? undefined
}

function readThresholds({ partnerId, asAdmin }: Subject, signal: AbortSignal): Promise<{ readonly thresholds: readonly Threshold[] }> {
  if (asAdmin && hasRole('operator')) return call<typeof LIST_THRESHOLDS>(caller(signal), { method: 'GET', path: '/admin/v1/thresholds' })
  if (!asAdmin && hasPartnerSecret())
    return call<typeof LIST_OWN_THRESHOLDS>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/thresholds', params: { partnerId } })
  return Promise.resolve({ thresholds: [] })
}

function readProjection({ partnerId, asAdmin }: Subject, signal: AbortSignal): Promise<Projection> {
  const request = { method: 'GET', params: { partnerId } } as const
  if (asAdmin) return call<typeof GET_PROJECTION_OF_PARTNER>(caller(signal), { ...request, path: '/admin/v1/partners/:partnerId/usage/projection' })
  return call<typeof GET_OWN_PROJECTION>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/usage/projection' })
}
