import type { FastifyInstance } from 'fastify'
import { REBUILD_MONTH } from '../../contract/rebuilds.ts'
import { rebuildRollup } from '../../ingest/repair/rebuild-rollup.ts'
import { parseMonth } from '../../metering/month.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { OperatorContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { addRoute } from '../route.ts'

export function rebuildMonth(app: FastifyInstance, { clickhouse, registry, runBetweenBatches }: OperatorContext): void {
  let running: string | undefined

  addRoute(app, REBUILD_MONTH, { access: OPERATOR }, async (request) => {
    const month = parseMonth(request.body.month)
    if (month === undefined) throw new ApiError('INVALID_REQUEST', 'body.month: must be a calendar month as YYYY-MM')
    if (running !== undefined) throw new ApiError('REBUILD_RUNNING', `The rollup of ${running} is being rebuilt. Try again when that has ended.`)
    running = month
    try {
      const note = () => registry.changes.note(actorOf(request), { action: 'rollup.rebuild', subject: month })
      const outcome = await rebuildRollup(clickhouse, month, { runBetweenBatches, note })
      if (outcome.status === 'rejected') throw new ApiError('REBUILD_HELD', outcome.reason)
      const { keys, events, differencesBefore } = outcome.result
      return { month, keys, events, differences_before: differencesBefore }
    } finally {
      running = undefined
    }
  })
}
