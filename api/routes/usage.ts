import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import { type PartnershipUsage, readPartnershipUsage } from '../../aggregator/usage/partnership-usage.ts'
import { readProjectUsage } from '../../aggregator/usage/project-usage.ts'
import { METRICS, PEAK_METRICS } from '../../metering/metrics.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { PARTNER, PROJECT_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'
import { requireProjectOf } from '../requests/require-project.ts'
import {
  BillingFields,
  Day,
  dailyName,
  errorAnswers,
  Instant,
  PartnerParams,
  PartnerProjectParams,
  PeriodAnswer,
  PeriodQuery,
  partnershipName,
  projectSummaryName,
  quantitiesAnswer,
  quantitiesSchema,
  Status,
} from '../schemas.ts'

/** Shapes: partner API documentation, "Get Project Usage" and "Get Partnership Total Usage". */
export function usageRoutes(app: FastifyInstance, { clickhouse, registry, now, horizon }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.get(
    '/partnership/v1/:partnerId/usage',
    {
      config: { access: PARTNER },
      schema: {
        tags: ['usage'],
        summary: 'Usage of the whole partnership',
        description: 'Deleted projects are included. A peak is the sum over the projects per day, then the maximum over the days.',
        params: PartnerParams,
        querystring: PartnershipUsageQuery,
        response: { 200: PartnershipUsageAnswer, ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = partnerOf(request)
      const period = requirePeriod(request.query, now())
      const usage = await readPartnershipUsage(clickhouse, partner.id, period, await horizon.read())
      return {
        partnership: { id: partner.id, name: partner.name },
        period: periodAnswer(period),
        summary: quantitiesAnswer(usage.summary, partnershipName),
        ...(request.query.include === 'daily' ? dailyAnswer(usage) : {}),
        ...billingAnswer(usage.asOfMs, await readBillingStatus(clickhouse, partner.id, period, now())),
      }
    },
  )

  routes.get(
    '/partnership/v1/:partnerId/:projectId/usage',
    {
      config: { access: PROJECT_READER },
      schema: {
        tags: ['usage'],
        summary: 'Usage of one project, per day',
        description: 'Also of a deleted one. `daily_usage` holds the days with at least one event.',
        params: PartnerProjectParams,
        querystring: PeriodQuery,
        response: { 200: ProjectUsageAnswer, ...errorAnswers(400, 401, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = partnerOf(request)
      const period = requirePeriod(request.query, now())
      const project = await requireProjectOf(registry, { partnerId: partner.id, projectId: request.params.projectId })
      const usage = await readProjectUsage(clickhouse, project.id, period, await horizon.read())
      return {
        project: {
          id: project.id,
          name: project.name,
          status: project.status,
          last_activity_at: instantOrNull(usage.lastActivityMs),
        },
        period: periodAnswer(period),
        summary: quantitiesAnswer(usage.summary, projectSummaryName),
        daily_usage: usage.days.map(({ day, usage: dayUsage }) => ({ usage_date: day, ...quantitiesAnswer(dayUsage, dailyName) })),
        ...billingAnswer(usage.asOfMs, await readBillingStatus(clickhouse, partner.id, period, now())),
      }
    },
  )
}

const PartnershipUsageQuery = PeriodQuery.extend({
  include: z.enum(['daily']).optional().meta({ description: '`daily` adds `daily_usage` and `peak_days`.' }),
})

type PeakName = (typeof METRICS)[(typeof PEAK_METRICS)[number]]['partnershipName']

const PeakDays = z
  .object(Object.fromEntries(PEAK_METRICS.map((metric) => [METRICS[metric].partnershipName, Day.nullable()])) as Record<PeakName, z.ZodNullable<typeof Day>>)
  .meta({ description: 'The day each peak was reached on, the earliest on ties; null without events.' })

const PartnershipUsageAnswer = z.object({
  partnership: z.object({ id: z.string(), name: z.string() }),
  period: PeriodAnswer,
  summary: quantitiesSchema(partnershipName),
  daily_usage: z.array(z.object({ usage_date: Day, ...quantitiesSchema(partnershipName).shape })).optional(),
  peak_days: PeakDays.optional(),
  ...BillingFields,
})

const ProjectUsageAnswer = z.object({
  project: z.object({ id: z.string(), name: z.string(), status: Status, last_activity_at: Instant.nullable() }),
  period: PeriodAnswer,
  summary: quantitiesSchema(projectSummaryName),
  daily_usage: z.array(z.object({ usage_date: Day, ...quantitiesSchema(dailyName).shape })),
  ...BillingFields,
})

function dailyAnswer({ days, peakDays }: PartnershipUsage) {
  return {
    daily_usage: days.map(({ day, usage }) => ({ usage_date: day, ...quantitiesAnswer(usage, partnershipName) })),
    peak_days: Object.fromEntries([...peakDays].map(([metric, day]) => [METRICS[metric].partnershipName, day])) as Record<PeakName, string | null>,
  }
}
