import { expect, test } from 'vitest'
import { SubmissionQueue } from '../../../ingest/http/submission-queue.ts'
import { EventsUnavailable } from '../../../ingest/log/event-log.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const LIMITS = { queueEventsMax: 6, queueBytesMax: 100, groupEventsMax: 3, groupBytesMax: 50 }

/** A submission with this many events and bytes. */
function submission(events: number, bytes = 0) {
  const made = Array.from({ length: events }, (_, index) => ({
    event_id: `${index}`,
    project_id: 'p',
    metric: 'ai_tokens',
    value: 1,
    timestamp: '2026-01-01T00:00:00Z',
  }))
  return { ...submissionOf(made), bytes }
}

function sizes(queue: SubmissionQueue): number[] {
  return queue.takeGroup().map(({ submission: { validated } }) => validated.length)
}

test('submissions share a group in the order of arrival, up to its limits of events and bytes; a larger one is a group of its own', () => {
  const queue = new SubmissionQueue({ ...LIMITS, queueEventsMax: 100, queueBytesMax: 1000 })
  for (const each of [submission(2), submission(1), submission(1), submission(5), submission(1, 40), submission(1, 20)]) void queue.add(each)
  expect(queue.events).toBe(11)
  const groups = Array.from({ length: 5 }, () => sizes(queue))
  expect(groups).toEqual([[2, 1], [1], [5], [1], [1]])
  expect([queue.isEmpty, queue.events, sizes(queue)]).toEqual([true, 0, []])
})

test('P1: a submission beyond the limits of the queue is rejected immediately, and a taken group makes room', async () => {
  const queue = new SubmissionQueue(LIMITS)
  const first = queue.add(submission(3, 60))
  void queue.add(submission(3)).catch(() => {})
  await expect(queue.add(submission(1))).rejects.toThrow(EventsUnavailable)
  const [waiting] = queue.takeGroup()
  waiting?.resolve([{ status: 'produced' }])
  expect(await first).toEqual([{ status: 'produced' }])
  void queue.add(submission(1, 60)).catch(() => {})
  await expect(queue.add(submission(1, 60))).rejects.toThrow(/Too many events are waiting/)
})

test('P1: rejectAll rejects every waiting submission and leaves the queue empty', async () => {
  const queue = new SubmissionQueue(LIMITS)
  const waiting = [queue.add(submission(2)), queue.add(submission(2, 50))]
  queue.rejectAll(new Error('injected'))
  for (const each of waiting) await expect(each).rejects.toThrow(/nothing counts twice/)
  expect([queue.isEmpty, queue.events]).toEqual([true, 0])
  void queue.add(submission(6, 100))
  expect(queue.events).toBe(6)
})
