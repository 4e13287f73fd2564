import { z } from 'zod'
import { Instant } from '../../contract/fields.ts'
import { NextCursor, type PageQuery } from '../../contract/pages.ts'
import { listRejected, type RejectedEvent } from '../../ingest/rejected/rejected-events.ts'
import { REJECT_REASONS } from '../../metering/event.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import type { ApiContext } from '../context.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'

export const RejectedPage = z.object({
  rejected_events: z.array(
    z.object({
      id: z.string(),
      reason: z.enum(REJECT_REASONS),
      message: z.string(),
      project_id: z.string(),
      event_id: z.string(),
      received_at: Instant,
      original: z.string().meta({ description: 'The event as it came, at most 64 KiB.' }),
      resent_at: Instant.nullable().meta({ description: 'When an operator sent it through again; null: not yet.' }),
    }),
  ),
  next_cursor: NextCursor,
})

/** Refusals from the latest on: of one ingest key, or of all when it is ''. Throws ApiError, StoreError. */
export async function rejectedPage(
  clickhouse: ApiContext['clickhouse'],
  ingestKeyId: string,
  { limit, cursor }: z.output<typeof PageQuery>,
): Promise<z.output<typeof RejectedPage>> {
  const asked = ['rejected-events', ingestKeyId]
  const [received_ms, log, offset] = cursor === undefined ? [] : requirePlace(cursor, asked, RejectedPosition)
  const after = received_ms === undefined || log === undefined || offset === undefined ? undefined : { received_ms, log, offset }
  const events = await listRejected(clickhouse, { ingestKeyId, after, limit: limit + 1 })
  const { shown, next_cursor } = pageOf(events, limit, (last) => writePlace(asked, [last.received_ms, last.log, last.offset]))
  return { rejected_events: shown.map(answerOf), next_cursor }
}

const RejectedPosition = z.tuple([z.number().int(), z.string(), z.number().int().nonnegative()])

function answerOf({ log: _log, offset: _offset, received_ms, resent_ms, ...event }: RejectedEvent): z.output<typeof RejectedPage>['rejected_events'][number] {
  return { ...event, received_at: formatTimestamp(received_ms), resent_at: instantOrNull(resent_ms) }
}
