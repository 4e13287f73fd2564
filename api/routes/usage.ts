import type { FastifyInstance } from 'fastify'
import { readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import { type PartnershipUsage, readPartnershipUsage } from '../../aggregator/usage/partnership-usage.ts'
import { readProjectUsage } from '../../aggregator/usage/project-usage.ts'
import { dailyName, partnershipName, projectSummaryName } from '../../contract/fields.ts'
import { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { peakDaysAnswer } from '../answers/peak-days.ts'
import { quantitiesAnswer } from '../answers/quantities.ts'
import { PARTNER_READER, PROJECT_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'
import { requireProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

export function getPartnershipUsage(app: FastifyInstance, { limitedReads, now, completeness }: ApiContext): void {
  addRoute(app, GET_PARTNERSHIP_USAGE, { access: PARTNER_READER }, async (request) => {
    const partner = partnerOf(request)
    const period = requirePeriod(request.query, now())
    const usage = await readPartnershipUsage(limitedReads, partner.id, period, await completeness.read())
    return {
      partnership: { id: partner.id, name: partner.name },
      period: periodAnswer(period),
      summary: quantitiesAnswer(usage.summary, partnershipName),
      ...(request.query.include === 'daily' ? dailyAnswer(usage) : {}),
      ...billingAnswer(usage.asOfMs, await readBillingStatus(limitedReads, partner.id, period, now())),
    }
  })
}

export function getProjectUsage(app: FastifyInstance, { limitedReads, registry, now, completeness }: ApiContext): void {
  addRoute(app, GET_PROJECT_USAGE, { access: PROJECT_READER }, async (request) => {
    const partner = partnerOf(request)
    const period = requirePeriod(request.query, now())
    const project = await requireProjectOf(registry, { partnerId: partner.id, projectId: request.params.projectId })
    const usage = await readProjectUsage(limitedReads, project.id, period, await completeness.read())
    return {
      project: { id: project.id, name: project.name, status: project.status, last_activity_at: instantOrNull(usage.lastActivityMs) },
      period: periodAnswer(period),
      summary: quantitiesAnswer(usage.summary, projectSummaryName),
      daily_usage: usage.days.map(({ day, usage: dayUsage }) => ({ usage_date: day, ...quantitiesAnswer(dayUsage, dailyName) })),
      ...billingAnswer(usage.asOfMs, await readBillingStatus(limitedReads, partner.id, period, now())),
    }
  })
}

function dailyAnswer({ days, peakDays }: PartnershipUsage) {
  return {
    daily_usage: days.map(({ day, usage }) => ({ usage_date: day, ...quantitiesAnswer(usage, partnershipName) })),
    peak_days: peakDaysAnswer(peakDays),
  }
}
