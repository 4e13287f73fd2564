import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listSilentProjects, SILENT_DAYS_MAX, SILENT_PROJECTS_MAX } from '../../aggregator/usage/silent-projects.ts'
import { Day, Instant } from '../../contract/fields.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { ANY_ADMIN } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'

export function silentProjectRoutes(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/admin/v1/silent-projects',
    {
      config: { access: ANY_ADMIN },
      schema: {
        tags: ['admin'],
        summary: 'Projects that sent a metric every day and stopped',
        description: `Events on each of the \`days\` UTC days up to the last one, then none on at least one complete day. Neither deleted projects nor what has been silent for more than ${SILENT_DAYS_MAX} days.`,
        querystring: SilentQuery,
        response: { 200: SilentAnswer, ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => {
      const { silent, truncated } = await listSilentProjects(clickhouse, request.query.days, now())
      return {
        silent: silent.map(({ projectId, partnerId, metric, lastDay, silentDays, lastEventMs }) => ({
          project_id: projectId,
          partner_id: partnerId,
          metric,
          last_day: lastDay,
          silent_days: silentDays,
          last_event_at: formatTimestamp(lastEventMs),
        })),
        truncated,
      }
    },
  )
}

const REPORTED_DAYS_DEFAULT = 7
const REPORTED_DAYS_MAX = 60

const SilentQuery = z.strictObject({
  days: z.coerce.number().int().min(1).max(REPORTED_DAYS_MAX).default(REPORTED_DAYS_DEFAULT).meta({
    description: 'On so many days in a row it must have reported before.',
  }),
})

const SilentAnswer = z.object({
  silent: z.array(
    z.object({
      project_id: z.string(),
      partner_id: z.string().nullable().meta({ description: 'Null when nobody registered the project.' }),
      metric: z.string(),
      last_day: Day,
      silent_days: z.number().int().meta({ description: 'Complete UTC days without an event.' }),
      last_event_at: Instant,
    }),
  ),
  truncated: z.boolean().meta({ description: `True when there are more than ${SILENT_PROJECTS_MAX}.` }),
})
