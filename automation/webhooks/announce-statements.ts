import { z } from 'zod'
import { formatTimestamp, MS_PER_DAY } from '../../metering/timestamp.ts'
import { defineQuery } from '../../sql/query.ts'
import type { Announcer } from './announcer.ts'
import { type Endpoint, readEndpoints } from './endpoints.ts'
import { type Message, messageBody, messageId } from './messages.ts'
import { recipientsOf } from './recipients.ts'

/** A process that was stopped for longer announces nothing of what was closed meanwhile. */
const ANNOUNCED_DAYS = 15
const ADJUSTMENTS_MAX = 100

/**
 * Announces every month that was closed, and of what was adjusted in it. It reads the headers of statements, which are the commits of
 * closings, so a crash right after one loses nothing. Throws StoreError.
 */
export async function announceStatements({ clickhouse, queue, now }: Announcer): Promise<void> {
  await queue.offer(async () => {
    const endpoints = await readEndpoints({ clickhouse })
    if (!endpoints.some(({ events }) => events.includes('statement.closed') || events.includes('adjustment.billed'))) return []
    const closed = await clickhouse.work.query(closedStatements, { sinceMs: now() - ANNOUNCED_DAYS * MS_PER_DAY })
    const messages: Message[] = []
    for (const statement of closed) messages.push(...messagesOf(statement, endpoints))
    // Also those without a recipient: otherwise a webhook of a partner that is enabled again would get old ones, if no other webhook did.
    return messages
  })
}

function messagesOf(statement: ClosedStatement, endpoints: readonly Endpoint[]): Message[] {
  const { partnerId, month, closedMs, closedBy, lines, sha256, adjustments } = statement
  const about = { partner_id: partnerId, month }
  const messageOf = (type: 'statement.closed' | 'adjustment.billed', data: object): Message => ({
    id: messageId([type, partnerId, month]),
    type,
    partnerId,
    endpointIds: recipientsOf(endpoints, { type, partnerId, sinceMs: closedMs }),
    body: messageBody(type, closedMs, { ...about, ...data }),
    createdMs: closedMs,
  })
  const announced = [messageOf('statement.closed', { closed_at: formatTimestamp(closedMs), closed_by: closedBy, lines, sha256 })]
  if (adjustments.length === 0) return announced
  const named = adjustments.slice(0, ADJUSTMENTS_MAX).map(([line, for_month, metric, value]) => ({ line, for_month, metric, value }))
  return [...announced, messageOf('adjustment.billed', { adjustments: named, truncated: adjustments.length > ADJUSTMENTS_MAX })]
}

type ClosedStatement = z.output<typeof StatementRow>

const StatementRow = z.object({
  partnerId: z.string(),
  month: z.string(),
  closedMs: z.coerce.number(),
  closedBy: z.string(),
  lines: z.coerce.number(),
  sha256: z.string(),
  /** Kind of line, month, metric, and the sum over the lines. */
  adjustments: z.array(z.tuple([z.string(), z.string(), z.string(), z.string()])),
})

const closedStatements = defineQuery({
  name: 'closed_statements_to_announce',
  sql: `
    SELECT closed.partner_id AS partnerId, toString(closed.month) AS month, toUnixTimestamp64Milli(closed.closed_at) AS closedMs, closed_by AS closedBy, closed.lines AS lines, sha256, adjustments
    FROM (SELECT * FROM statements_v1 WHERE closed_at >= fromUnixTimestamp64Milli({sinceMs: Int64}, 'UTC')) AS closed
    LEFT JOIN (
      SELECT partner_id, closing, arraySort(groupArray((toString(line), toString(for_month), toString(metric), toString(total)))) AS adjustments
      FROM (
        SELECT partner_id, closing, line, for_month, metric, sum(value) AS total FROM statement_lines_v1
        WHERE line IN ('adjustment', 'manual')
          AND closing IN (SELECT closing FROM statements_v1 WHERE closed_at >= fromUnixTimestamp64Milli({sinceMs: Int64}, 'UTC'))
        GROUP BY partner_id, closing, line, for_month, metric
      )
      GROUP BY partner_id, closing
    ) AS adjusted USING (partner_id, closing)
    ORDER BY closedMs, partnerId, month`,
  params: z.object({ sinceMs: z.number() }),
  row: StatementRow,
})
