import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { MonthParam } from '../../contract/fields.ts'
import { rebuildRollup } from '../../ingest/repair/rebuild-rollup.ts'
import { parseMonth } from '../../metering/month.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

/** A month's rollup counted anew from raw, for an operator who found it wrong. */
export function rebuildRoutes(app: FastifyInstance, { clickhouse, registry, runBetweenBatches }: ApiContext): void {
  let running: string | undefined

  app.withTypeProvider<ZodTypeProvider>().post(
    '/admin/v1/rebuilds',
    {
      config: { access: OPERATOR },
      schema: {
        tags: ['admin'],
        summary: 'Count a month’s rollup anew from raw',
        description:
          'Mends a rollup that is ahead of raw too. Events wait until it has ended. Where other processes count events they must be stopped first. Repeated it changes nothing.',
        body: z.strictObject({ month: MonthParam }),
        response: { 200: RebuildAnswer, ...errorAnswers(400, 401, 409, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const month = parseMonth(request.body.month)
      if (month === undefined) throw new ApiError('INVALID_REQUEST', 'body.month: must be a calendar month as YYYY-MM')
      if (running !== undefined) throw new ApiError('REBUILD_RUNNING', `The rollup of ${running} is being rebuilt. Try again when that has ended.`)
      running = month
      try {
        await registry.changes.note(actorOf(request), { action: 'rollup.rebuild', subject: month })
        const outcome = await rebuildRollup(clickhouse, month, runBetweenBatches)
        if (outcome.status === 'rejected') throw new ApiError('REBUILD_HELD', outcome.reason)
        const { keys, events, differencesBefore } = outcome.result
        return { month, keys, events, differences_before: differencesBefore }
      } finally {
        running = undefined
      }
    },
  )
}

const RebuildAnswer = z.object({
  month: z.string(),
  keys: z.number().int().meta({ description: 'How many (project, day, metric, log) the rollup of the month has now.' }),
  events: z.number().int(),
  differences_before: z.number().int().meta({ description: 'On how many of them the rollup differed from raw.' }),
})
