import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_OWN_THRESHOLDS, LIST_THRESHOLDS } from '../../contract/thresholds.ts'
import type {
  GET_OWN_PROJECTION,
  GET_OWN_PROJECTION_OF_PROJECT,
  GET_PROJECTION_OF_PARTNER,
  GET_PROJECTION_OF_PROJECT,
} from '../../contract/usage-projection.ts'
import { isMetricName, METRICS } from '../../metering/metrics.ts'
import type { Subject } from '../address/subject.ts'
import { call } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { caller, hasPartnerSecret, hasRole } from '../session/session.ts'

export type Threshold = AsText<AnswerOf<typeof LIST_THRESHOLDS>>['thresholds'][number]
type Projection = AsText<AnswerOf<typeof GET_OWN_PROJECTION>>['projected']
type ProjectionOfProject = AsText<AnswerOf<typeof GET_OWN_PROJECTION_OF_PROJECT>>['projected']
export type Projected = NonNullable<Projection['ai_tokens']>

/** Whose usage is shown: all projects of a partner together, or one of them. */
export interface OutlookOf {
  readonly subject: Subject
  readonly projectId?: string | undefined
}

/** What the cards of a month show beside the totals. */
export interface Outlook {
  readonly thresholds: readonly Threshold[]
  /** Undefined for a month that is over, before the first complete day, and for a metric without usage that operators have defined. */
  readonly projectedOf: (metric: string) => Projected | undefined
}

/** One call for the thresholds and one for the projection, whatever the number of cards; each only if the credential may make it. */
export async function readOutlook(of: OutlookOf, isCurrentMonth: boolean, signal: AbortSignal): Promise<Outlook> {
  const { subject, projectId = null } = of
  const [{ thresholds }, projectedOf] = await Promise.all([readThresholds(subject, signal), isCurrentMonth ? readProjection(of, signal) : () => undefined])
  const own = thresholds.filter(({ partner_id, project_id, active }) => active && project_id === projectId && partner_id === subject.partnerId)
  return { thresholds: own, projectedOf }
}

function readThresholds({ partnerId, asAdmin }: Subject, signal: AbortSignal): Promise<{ readonly thresholds: readonly Threshold[] }> {
  if (asAdmin && hasRole('operator')) return call<typeof LIST_THRESHOLDS>(caller(signal), { method: 'GET', path: '/admin/v1/thresholds' })
  if (!asAdmin && hasPartnerSecret())
    return call<typeof LIST_OWN_THRESHOLDS>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/thresholds', params: { partnerId } })
  return Promise.resolve({ thresholds: [] })
}

async function readProjection({ subject, projectId }: OutlookOf, signal: AbortSignal): Promise<Outlook['projectedOf']> {
  if (projectId === undefined) {
    const projected = await readProjectionOfPartner(subject, signal)
    return (metric) => (isMetricName(metric) ? projected[METRICS[metric].partnershipName] : projected.metrics?.[metric]) ?? undefined
  }
  const projected = await readProjectionOfProject(subject, projectId, signal)
  return (metric) => (isMetricName(metric) ? projected[METRICS[metric].projectSummaryName] : projected.metrics?.[metric]) ?? undefined
}

async function readProjectionOfPartner({ partnerId, asAdmin }: Subject, signal: AbortSignal): Promise<Projection> {
  const request = { method: 'GET', params: { partnerId } } as const
  const { projected } = asAdmin
    ? await call<typeof GET_PROJECTION_OF_PARTNER>(caller(signal), { ...request, path: '/admin/v1/partners/:partnerId/usage/projection' })
    : await call<typeof GET_OWN_PROJECTION>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/usage/projection' })
  return projected
}

async function readProjectionOfProject({ partnerId, asAdmin }: Subject, projectId: string, signal: AbortSignal): Promise<ProjectionOfProject> {
  const request = { method: 'GET', params: { partnerId, projectId } } as const
  const { projected } = asAdmin
    ? await call<typeof GET_PROJECTION_OF_PROJECT>(caller(signal), { ...request, path: '/admin/v1/projects/:projectId/usage/projection' })
    : await call<typeof GET_OWN_PROJECTION_OF_PROJECT>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/:projectId/usage/projection' })
  return projected
}
