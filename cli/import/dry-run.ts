import type { Post } from '../../emitter/post.ts'
import { findRejection, JSON_FIELD_NAMES, type SentFields } from '../../metering/event-steps.ts'
import { parseExactJson } from '../../metering/exact-json.ts'
import { METRICS_OF_CLIENTS } from '../../metering/metrics.ts'

/** Validates events as the service does, and sends nothing. Only the service knows duplicates, projects that the key may
 * not use, and the metrics that operators have defined. */
export function validateOnly(): Post {
  return async (texts) => {
    const receipt = { receivedMs: Date.now(), metrics: METRICS_OF_CLIENTS }
    const rejected = texts.flatMap((text, index) => {
      const rejection = findRejection(parseExactJson(text) as SentFields, JSON_FIELD_NAMES, receipt)
      return rejection === undefined ? [] : [{ index, ...rejection }]
    })
    return { status: 'answered', accepted: texts.length - rejected.length, duplicates: 0, rejected }
  }
}
