import type { FastifyInstance } from 'fastify'
import { LIST_SERVICE_LOGS } from '../../contract/service-logs.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { OPERATOR } from '../auth/access.ts'
import { addRoute } from '../route.ts'
import type { ServiceLogs } from '../service-logs/service-logs.ts'
import { visibleLine } from '../service-logs/visible-line.ts'
import { answerWhileBusy } from './health.ts'

/** A caller that follows the log asks every few seconds; a line for each of its requests would be all that it reads. */
const OPTIONS = { access: OPERATOR, isPolled: true, pressureHandler: answerWhileBusy } as const

export function listServiceLogs(app: FastifyInstance, { serviceLogs: { recentLogs, part, secrets } }: { readonly serviceLogs: ServiceLogs }): void {
  addRoute(app, LIST_SERVICE_LOGS, OPTIONS, (request) => {
    const { after, source, level, limit } = request.query
    const { lines, cursor, gap } = recentLogs.read({ source, level, limit, after: after?.split(',') })
    const { host, pid, startedMs } = recentLogs.process
    return {
      process: { host, pid, part, started_at: formatTimestamp(startedMs) },
      logs: lines.map((line) => visibleLine(line, secrets)),
      cursor,
      gap,
    }
  })
}
