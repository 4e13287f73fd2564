import type { Post } from '../../emitter/post.ts'
import { findRejection, JSON_FIELD_NAMES, type SentFields } from '../../metering/event-steps.ts'
import { parseExactJson } from '../../metering/exact-json.ts'

/** Validates events as the service does, and sends nothing. Duplicates, and projects that the key may not use, only the service knows. */
export function validateOnly(): Post {
  return async (texts) => {
    const receipt = { receivedMs: Date.now() }
    const rejected = texts.flatMap((text, index) => {
      const rejection = findRejection(parseExactJson(text) as SentFields, JSON_FIELD_NAMES, receipt)
      return rejection === undefined ? [] : [{ index, ...rejection }]
    })
    return { status: 'answered', accepted: texts.length - rejected.length, duplicates: 0, rejected }
  }
}
