import type { FastifyInstance } from 'fastify'
import { readPartnershipUsage } from '../../aggregator/usage/partnership-usage.ts'
import { projectMonth } from '../../aggregator/usage/project-month.ts'
import { partnershipName } from '../../contract/fields.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { GET_OWN_PROJECTION, GET_PROJECTION_OF_PARTNER } from '../../contract/usage-projection.ts'
import { monthOf, periodOfMonth } from '../../metering/month.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { Partner } from '../../registry/partners.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { quantitiesAnswer } from '../answers/quantities.ts'
import { FINANCE, PARTNER_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

export function getOwnProjection(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_OWN_PROJECTION, { access: PARTNER_READER }, async (request) => projectionAnswer(context, partnerOf(request)))
}

export function getProjectionOfPartner(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_PROJECTION_OF_PARTNER, { access: FINANCE }, async (request) =>
    projectionAnswer(context, await requireKnownPartner(context.registry, request.params.partnerId)),
  )
}

async function projectionAnswer(
  { limitedReads, completeness, now }: Pick<ApiContext, 'limitedReads' | 'completeness' | 'now'>,
  { id, name }: Partner,
): Promise<AnswerOf<typeof GET_OWN_PROJECTION>> {
  const month = monthOf(dayOf(now()))
  const usage = await readPartnershipUsage(limitedReads, id, periodOfMonth(month), await completeness.read())
  const projected = [...projectMonth(usage, month, usage.asOfMs)].map(([metric, projection]) => {
    if (projection === null) return [partnershipName(metric), null]
    const { value, method, fromDays } = projection
    return [partnershipName(metric), { value: new NumberToken(value), method, from_days: fromDays }]
  })
  return {
    partnership: { id, name },
    month,
    summary: quantitiesAnswer(usage.summary, partnershipName),
    projected: Object.fromEntries(projected),
    // A month that is not over cannot be closed.
    ...billingAnswer(usage.asOfMs, 'provisional'),
  }
}
