import { decodeEvent } from '../../../ingest/event/decode-body.ts'
import { validateEvent } from '../../../ingest/event/pipeline.ts'
import type { Submission } from '../../../ingest/log/event-log.ts'
import { DOCUMENTED_METRICS, type MetricKinds } from '../../../metering/metrics.ts'

/** A submission of these events, as the API passes it to a log. */
export function submissionOf(events: readonly object[], receivedMs = Date.now(), metrics: MetricKinds = DOCUMENTED_METRICS): Submission {
  const validated = events.map((event) =>
    validateEvent(decodeEvent(Buffer.from(JSON.stringify(event), 'utf8')), { receivedMs, allowedProjects: 'all', allowsBatches: true, metrics }),
  )
  return { validated, ingestKeyId: 'test', receivedMs, bytes: 0 }
}
