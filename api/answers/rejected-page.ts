import { z } from 'zod'
import type { AnswerOf, QueryOf } from '../../contract/operation.ts'
import type { LIST_REJECTED_EVENTS } from '../../contract/rejected-events.ts'
import { listRejected, type RejectedEvent } from '../../ingest/rejected/rejected-events.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import type { OperatorContext } from '../context.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'

type RejectedPage = AnswerOf<typeof LIST_REJECTED_EVENTS>

/** The rejected events of one ingest key, or of all keys when the id is '', newest first. Throws ApiError, StoreError. */
export async function rejectedPage(
  clickhouse: OperatorContext['clickhouse'],
  ingestKeyId: string,
  { limit, cursor }: QueryOf<typeof LIST_REJECTED_EVENTS>,
): Promise<RejectedPage> {
  const query = ['rejected-events', ingestKeyId]
  const [received_ms, log, offset] = cursor === undefined ? [] : requirePlace(cursor, query, RejectedPosition)
  const after = received_ms === undefined || log === undefined || offset === undefined ? undefined : { received_ms, log, offset }
  const events = await listRejected(clickhouse, { ingestKeyId, after, limit: limit + 1 })
  const { shown, next_cursor } = pageOf(events, limit, (last) => writePlace(query, [last.received_ms, last.log, last.offset]))
  return { rejected_events: shown.map(answerOf), next_cursor }
}

const RejectedPosition = z.tuple([z.number().int(), z.string(), z.number().int().nonnegative()])

function answerOf({ log: _log, offset: _offset, received_ms, resent_ms, ...event }: RejectedEvent): RejectedPage['rejected_events'][number] {
  return { ...event, received_at: formatTimestamp(received_ms), resent_at: instantOrNull(resent_ms) }
}
