import { describe, expect, test } from 'vitest'
import { identityOf } from '../../../ingest/event/pipeline.ts'
import { SubmissionQueue, type WaitingSubmission } from '../../../ingest/http/submission-queue.ts'
import { BatchSize } from '../../../ingest/log/batch-size.ts'
import { EventsUnavailable } from '../../../ingest/log/event-log.ts'
import { monthNumberOf } from '../../../metering/month.ts'
import { StoreError } from '../../../sql/errors.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const LIMITS = { queueEventsMax: 6, queueBytesMax: 100, groupEventsMax: 3, groupBytesMax: 50 }

/** A submission with this many events and bytes, its events spread over the given months. */
function submission(events: number, { bytes = 0, key = 'test', months = ['2026-01'] }: { bytes?: number; key?: string; months?: readonly string[] } = {}) {
  const made = Array.from({ length: events }, (_, index) => ({
    event_id: `${index}`,
    project_id: 'p',
    metric: 'ai_tokens',
    value: 1,
    timestamp: `${months[index % months.length]}-01T00:00:00Z`,
  }))
  return { ...submissionOf(made), bytes, ingestKeyId: key }
}

function sizes(queue: SubmissionQueue): number[] {
  return queue.takeGroup().map(({ submission: { validated } }) => validated.length)
}

const keysOf = (group: readonly WaitingSubmission[]) => group.map(({ submission: { ingestKeyId } }) => ingestKeyId).join('')

test('submissions share a group in the order of arrival, up to its limits of events and bytes; a larger one is taken in parts', () => {
  const queue = new SubmissionQueue({ ...LIMITS, queueEventsMax: 100, queueBytesMax: 1000 })
  for (const each of [submission(2), submission(1), submission(1), submission(5), submission(1, { bytes: 40 }), submission(1, { bytes: 20 })])
    void queue.add(each)
  expect(queue.events).toBe(11)
  const groups = Array.from({ length: 6 }, () => sizes(queue))
  expect(groups).toEqual([[2, 1], [1], [3], [2, 1], [1], []])
  expect([queue.isEmpty, queue.events, sizes(queue)]).toEqual([true, 0, []])
})

test('P1: a submission beyond the limits of the queue is rejected immediately, and a taken group makes room', async () => {
  const queue = new SubmissionQueue(LIMITS)
  const first = queue.add(submission(3, { bytes: 60 }))
  await expect(queue.add(submission(1, { bytes: 60 }))).rejects.toThrow(EventsUnavailable)
  await expect(queue.add(submission(4))).rejects.toThrow(/Too many events are waiting to be stored, 3 of them of this ingest key/)
  const [waiting] = queue.takeGroup()
  waiting?.resolve([{ status: 'produced' }])
  expect(await first).toEqual([{ status: 'produced' }])
  void queue.add(submission(1, { bytes: 60 }))
  await expect(queue.add(submission(1, { bytes: 60 }))).rejects.toThrow(/nothing counts twice/)
})

test('P1: rejectAll rejects every waiting submission and leaves the queue empty', async () => {
  const queue = new SubmissionQueue(LIMITS)
  const waiting = [queue.add(submission(2)), queue.add(submission(2, { bytes: 50, key: 'other' }))]
  queue.rejectAll(new Error('injected'))
  for (const each of waiting) await expect(each).rejects.toThrow(/nothing counts twice/)
  expect([queue.isEmpty, queue.events]).toEqual([true, 0])
  void queue.add(submission(6, { bytes: 100 }))
  expect(queue.events).toBe(6)
})

describe('no key starves another', () => {
  const ROOMY = { queueEventsMax: 2_000, queueBytesMax: 1000, groupEventsMax: 500, groupBytesMax: 1000 }

  test('a key that sends 21 requests of a twentieth of the queue each fills half of it, and the event of another key is in the next group', async () => {
    const queue = new SubmissionQueue(ROOMY)
    const flood = Array.from({ length: 21 }, () => queue.add(submission(100, { key: 'a' })))
    const ended = Promise.allSettled(flood)
    const good = queue.add(submission(1, { key: 'b' }))
    const group = queue.takeGroup()
    expect(keysOf(group)).toBe('abaaa')
    for (const { submission: taken, resolve } of group) resolve(taken.validated.map(() => ({ status: 'counted' })))
    expect(await good).toEqual([{ status: 'counted' }])
    queue.rejectAll(new Error('the end'))
    expect((await ended).filter(({ status }) => status === 'rejected')).toHaveLength(21 - 4)
    // Eleven did not even get into the queue.
    expect(queue.events).toBe(0)
  })

  test('however many keys fill the queue, in events or in bytes, there is room for one more', () => {
    const queue = new SubmissionQueue(ROOMY)
    const accepted = new Map<string, number>()
    for (let round = 0; round < 400; round += 1) {
      for (const key of ['a', 'b', 'c', 'd']) {
        const before = queue.events
        queue.add(submission(1, { key, bytes: 1 })).catch(() => {})
        accepted.set(key, (accepted.get(key) ?? 0) + queue.events - before)
      }
    }
    expect([...accepted.values()]).toEqual([200, 200, 200, 200])
    const before = queue.events
    void queue.add(submission(1, { key: 'new', bytes: 100 }))
    expect(queue.events).toBe(before + 1)
  })

  test('keys are served round-robin, one submission at a time; the key that was served last waits longest', () => {
    const queue = new SubmissionQueue({ ...ROOMY, groupEventsMax: 4 })
    for (const key of 'aaaaaabbc') void queue.add(submission(1, { key }))
    expect([keysOf(queue.takeGroup()), keysOf(queue.takeGroup()), keysOf(queue.takeGroup())]).toEqual(['abca', 'baaa', 'a'])
  })

  test('a submission that does not fit into a group does not hold up the keys behind it, and is first in the next', () => {
    const queue = new SubmissionQueue({ ...ROOMY, groupEventsMax: 4 })
    for (const [key, events] of [
      ['a', 3],
      ['b', 3],
      ['c', 1],
    ] as const)
      void queue.add(submission(events, { key }))
    expect([keysOf(queue.takeGroup()), keysOf(queue.takeGroup())]).toEqual(['ac', 'b'])
  })
})

describe('a group touches a limited number of months and days', () => {
  const MONTHS = Array.from({ length: 30 }, (_, index) => new Date(Date.UTC(2020, index, 1)).toISOString().slice(0, 7))
  const TOUCHED = { ...LIMITS, queueEventsMax: 1000, groupEventsMax: 1000, groupMonthsMax: 12, groupDaysMax: 20 }
  const monthsOf = (group: readonly WaitingSubmission[]) =>
    new Set(group.flatMap(({ submission: { validated } }) => validated.map((each) => (each.status === 'valid' ? monthNumberOf(each.event.timestampMs) : 0))))

  test('P2: a submission of many months is taken in parts of whole months, and gets its verdicts in the order of its events', async () => {
    const queue = new SubmissionQueue(TOUCHED)
    const verdicts = queue.add(submission(90, { months: MONTHS }))
    const groups: number[] = []
    while (!queue.isEmpty) {
      const group = queue.takeGroup()
      groups.push(monthsOf(group).size)
      for (const { submission: part, resolve } of group)
        resolve(
          part.validated.map((each) => ({ status: 'rejected', rejection: { reason: 'conflict', message: each.status === 'valid' ? each.event.eventId : '' } })),
        )
    }
    expect(groups).toEqual([12, 12, 6])
    expect((await verdicts).map((verdict) => verdict.status === 'rejected' && verdict.rejection.message)).toEqual(
      Array.from({ length: 90 }, (_, index) => `${index}`),
    )
  })

  test('the events of others are written between the parts', () => {
    const queue = new SubmissionQueue(TOUCHED)
    void queue.add(submission(30, { key: 'a', months: MONTHS }))
    const groups = []
    for (let round = 0; !queue.isEmpty; round += 1) {
      if (round < 3) void queue.add(submission(1, { key: 'b', months: ['2026-11'] }))
      groups.push(keysOf(queue.takeGroup()))
    }
    expect(groups).toEqual(['a', 'bb', 'a', 'ba'])
  })

  test('P2: of two events with one identity the first is never written after the second', () => {
    const queue = new SubmissionQueue({ ...TOUCHED, groupMonthsMax: 1 })
    const event = (event_id: string, month: string, value: number) => ({
      event_id,
      project_id: 'p',
      metric: 'ai_tokens',
      value,
      timestamp: `${month}-01T00:00:00Z`,
    })
    void queue.add(submissionOf([event('x', '2026-01', 1), event('twice', '2026-02', 1), event('twice', '2026-01', 2), event('y', '2026-01', 1)]))
    const order = []
    while (!queue.isEmpty)
      order.push(
        queue
          .takeGroup()
          .flatMap(({ submission: { validated } }) => validated.map((each) => (each.status === 'valid' ? `${each.event.eventId}${each.event.value}` : ''))),
      )
    expect(order).toEqual([['x1', 'y1'], ['twice1'], ['twice2']])
  })

  test('P2: a correction is never written before its event, nor before an earlier correction of it', () => {
    const queue = new SubmissionQueue({ ...TOUCHED, groupMonthsMax: 1 })
    const event = (event_id: string, month: string) => ({ event_id, project_id: 'p', metric: 'ai_tokens', value: 1, timestamp: `${month}-01T00:00:00Z` })
    const correct = (event_id: string, corrects: string) => ({ event_id, project_id: 'p', corrects, action: 'void', reason: 'test' })
    void queue.add(
      submissionOf([event('x', '2026-01'), event('y', '2026-02'), correct('cy1', 'y'), correct('cx', 'x'), correct('cy2', 'y'), event('cy1', '2026-01')]),
    )
    const order = []
    while (!queue.isEmpty) order.push(queue.takeGroup().flatMap(({ submission: { validated } }) => validated.map((each) => identityOf(each).eventId)))
    expect(order).toEqual([['x', 'cx'], ['y', 'cy1', 'cy2'], ['cy1']])
  })

  test('after failed batches groups are smaller in every respect, and grow again with acknowledged ones', () => {
    const size = new BatchSize()
    const take = () => {
      const queue = new SubmissionQueue(TOUCHED)
      void queue.add(submission(90, { months: MONTHS }))
      return monthsOf(queue.takeGroup(size)).size
    }
    const seen = [take()]
    for (let failures = 0; failures < 40; failures += 1) {
      size.failed(new StoreError('unavailable', 'too long', { code: 159 }))
      seen.push(take())
    }
    expect([seen.slice(0, 5), seen.at(-1)]).toEqual([[12, 6, 3, 1, 1], 1])
    for (let batches = 0; batches < 200; batches += 1) size.acknowledged()
    expect(take()).toBe(12)
  })
})
