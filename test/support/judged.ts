import { decodeEvent } from '../../ingest/decode-body.ts'
import type { Submission } from '../../ingest/event-log.ts'
import { judge } from '../../ingest/pipeline.ts'
import type { TestEvent } from './client.ts'

/** Events as the api hands them to a log. */
export function submissionOf(events: readonly TestEvent[], receivedMs = Date.now()): Submission {
  const judged = events.map((event) => judge(decodeEvent(Buffer.from(JSON.stringify(event), 'utf8')), receivedMs))
  return { judged, ingestKeyId: 'test', receivedMs, bytes: 0 }
}
