import { expect, test } from 'vitest'
import { readRecord } from '../../../ingest/kafka/event-record.ts'

const RECEIVED_MS = Date.UTC(2026, 9, 1, 12)
const EVENT = { event_id: 'e', project_id: 'p', metric: 'ai_tokens', value: '1', timestamp: '2026-10-01T00:00:00Z' }

const recordOf = (timestamp: string, headers = {}, event = EVENT) =>
  readRecord({ offset: '7', timestamp, value: Buffer.from(JSON.stringify(event)), headers }, 'log')

test('an event of another producer was received at the timestamp of its record, in milliseconds', () => {
  expect(recordOf(String(RECEIVED_MS))).toMatchObject({ receivedMs: RECEIVED_MS, validated: { status: 'valid' } })
  const early = recordOf(String(RECEIVED_MS), {}, { ...EVENT, timestamp: '2026-10-01T12:06:00Z' })
  expect(early.validated).toMatchObject({ status: 'rejected', rejection: { reason: 'timestamp_in_future' } })
})

test.each([
  ['seconds', RECEIVED_MS / 1_000],
  ['microseconds', RECEIVED_MS * 1_000],
  ['nanoseconds', RECEIVED_MS * 1_000_000],
])('P6: an event whose record timestamp is in %s is rejected with a message that names the unit, and filed at the right time', (unit, timestamp) => {
  for (const record of [recordOf(String(timestamp)), recordOf(String(RECEIVED_MS), { received_ms: String(timestamp) })]) {
    expect(record.receivedMs).toBe(RECEIVED_MS)
    expect(record.validated).toMatchObject({
      status: 'rejected',
      projectId: 'p',
      eventId: 'e',
      rejection: {
        reason: 'invalid_timestamp',
        message: `The record's timestamp ${timestamp} seems to be in ${unit}. It must be in milliseconds since 1970. Correct the producer, then resend the event.`,
      },
    })
  }
})

test.each(['-1', '0', '', 'NaN', 'soon', '1e400', String(Date.UTC(2149, 0, 1)), String(Date.UTC(2298, 11, 31))])(
  'P6: an event whose record timestamp is %j is rejected, and filed under 1970',
  (timestamp) => {
    const { receivedMs, validated } = recordOf(timestamp)
    expect(receivedMs).toBe(0)
    expect(validated).toMatchObject({
      rejection: { reason: 'invalid_timestamp', message: expect.stringContaining('is not a time from 2000-01-01 to 2148-12-31') },
    })
  },
)

test('an event that the api rejected keeps its reason, whatever the timestamp of its record', () => {
  const { validated } = recordOf('-1', { refused: 'unknown_metric', refused_message: 'There is no metric "x".' })
  expect(validated).toMatchObject({ rejection: { reason: 'unknown_metric', message: 'There is no metric "x".' } })
})
