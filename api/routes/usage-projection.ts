import type { FastifyInstance } from 'fastify'
import { readPartnershipUsage } from '../../aggregator/usage/partnership-usage.ts'
import { type Projection, projectMonth } from '../../aggregator/usage/project-month.ts'
import { type ProjectUsage, readProjectUsage } from '../../aggregator/usage/project-usage.ts'
import { partnershipName, projectSummaryName } from '../../contract/fields.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { GET_OWN_PROJECTION, GET_OWN_PROJECTION_OF_PROJECT, GET_PROJECTION_OF_PARTNER, GET_PROJECTION_OF_PROJECT } from '../../contract/usage-projection.ts'
import { isMetricName, type MetricName } from '../../metering/metrics.ts'
import { type Month, monthOf, periodOfMonth } from '../../metering/month.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { Partner } from '../../registry/partners.ts'
import { findProject, type Project } from '../../registry/projects/project.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { othersAnswer } from '../answers/other-metrics.ts'
import { quantitiesAnswer } from '../answers/quantities.ts'
import { FINANCE, PARTNER_READER, PROJECT_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { requireProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

export function getOwnProjection(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_OWN_PROJECTION, { access: PARTNER_READER }, async (request) => partnershipAnswer(context, partnerOf(request)))
}

export function getProjectionOfPartner(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_PROJECTION_OF_PARTNER, { access: FINANCE }, async (request) =>
    partnershipAnswer(context, await requireKnownPartner(context.registry, request.params.partnerId)),
  )
}

export function getOwnProjectionOfProject(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_OWN_PROJECTION_OF_PROJECT, { access: PROJECT_READER }, async (request) =>
    projectAnswer(context, await requireProjectOf(context.registry, { partnerId: partnerOf(request).id, projectId: request.params.projectId })),
  )
}

export function getProjectionOfProject(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_PROJECTION_OF_PROJECT, { access: FINANCE }, async (request) => {
    const project = await findProject(context.registry, request.params.projectId)
    if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
    return projectAnswer(context, project)
  })
}

type UsageContext = Pick<ApiContext, 'limitedReads' | 'completeness' | 'now'>

async function partnershipAnswer({ limitedReads, completeness, now }: UsageContext, { id, name }: Partner): Promise<AnswerOf<typeof GET_OWN_PROJECTION>> {
  const month = monthOf(dayOf(now()))
  const usage = await readPartnershipUsage(limitedReads, id, periodOfMonth(month), await completeness.read())
  return { partnership: { id, name }, ...projectionAnswer(usage, month, partnershipName) }
}

async function projectAnswer(
  { limitedReads, completeness, now }: UsageContext,
  { id, name, status }: Project,
): Promise<AnswerOf<typeof GET_OWN_PROJECTION_OF_PROJECT>> {
  const month = monthOf(dayOf(now()))
  const usage = await readProjectUsage(limitedReads, id, periodOfMonth(month), await completeness.read())
  return { project: { id, name, status }, ...projectionAnswer(usage, month, projectSummaryName) }
}

type UsageOfMonth = Pick<ProjectUsage, 'summary' | 'others' | 'days' | 'asOfMs'>

function projectionAnswer<K extends string>(usage: UsageOfMonth, month: Month, nameOf: (metric: MetricName) => K) {
  const all = [...projectMonth(usage, month, usage.asOfMs)].map(([metric, projection]) => [metric, projectedAnswer(projection)] as const)
  const documented = all.flatMap(([metric, projected]) => (isMetricName(metric) ? [[nameOf(metric), projected]] : []))
  const defined = all.filter(([metric]) => !isMetricName(metric))
  return {
    month,
    summary: quantitiesAnswer(usage.summary, nameOf),
    ...othersAnswer(usage.others),
    projected: { ...Object.fromEntries(documented), ...(defined.length === 0 ? {} : { metrics: Object.fromEntries(defined) }) },
    // A month that is not over cannot be closed.
    ...billingAnswer(usage.asOfMs, 'provisional'),
  }
}

function projectedAnswer(projection: Projection | null) {
  if (projection === null) return null
  const { value, method, fromDays } = projection
  return { value: new NumberToken(value), method, from_days: fromDays }
}
