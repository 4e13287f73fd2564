import { describe, expect, test } from 'vitest'
import { type DeliverOptions, deliverEvents, type RetryProblem } from '../../emitter/deliver.ts'
import type { WireEvent } from '../../emitter/event.ts'
import { VirtualClock } from '../support/emitter/virtual-clock.ts'

const START_MS = Date.UTC(2026, 0, 31, 12)

type Scripted = { readonly status: number; readonly body?: object; readonly headers?: Record<string, string> } | 'no answer' | 'never'

/** Delivers events named a, b, c … to a service that answers as scripted, one answer per request. */
async function deliver(names: string, answers: Scripted[], options: Partial<DeliverOptions> = {}) {
  const clock = new VirtualClock(START_MS)
  const requests: { readonly ids: string; readonly afterMs: number }[] = []
  const problems: RetryProblem[] = []
  const send = async (_url: string, init: RequestInit): Promise<Response> => {
    const events = JSON.parse(String(init.body)) as WireEvent[]
    requests.push({ ids: events.map(({ event_id }) => event_id).join(''), afterMs: clock.now() - START_MS })
    const answer = answers.shift()
    if (answer === 'never') await new Promise((_, reject) => init.signal?.addEventListener('abort', () => reject(new Error('aborted'))))
    if (answer === undefined || answer === 'no answer' || answer === 'never') throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') })
    return new Response(JSON.stringify(answer.body ?? {}), { status: answer.status, headers: answer.headers ?? {} })
  }
  const events = [...names].map((event_id) => ({ event_id, project_id: 'p1', metric: 'ai_tokens', value: 1, timestamp: '2026-01-31T12:00:00Z' }))
  const onRetry = (problem: RetryProblem) => problems.push(problem)
  const delivering = deliverEvents(events, { url: 'http://meterline.test/', key: 'k', fetch: send, clock, random: () => 1, onRetry, ...options })
  const delivery = await clock.until(delivering)
  expect(clock.timers, 'no timer is left').toBe(0)
  return { delivery, requests, problems }
}

const counted = (accepted: number, duplicates = 0, rejected: object[] = []): Scripted => ({ status: 200, body: { accepted, duplicates, rejected } })

describe('deliverEvents', () => {
  test('repeats the same events after no answer, 408, 429 and 5xx, with delays that double', async () => {
    const { delivery, requests, problems } = await deliver('ab', ['no answer', { status: 408 }, { status: 429 }, { status: 502 }, counted(1, 1)])
    expect(requests).toEqual([0, 500, 1500, 3500, 7500].map((afterMs) => ({ ids: 'ab', afterMs })))
    expect(problems.map(({ httpStatus }) => httpStatus)).toEqual([undefined, 408, 429, 502])
    expect(delivery).toEqual({ outcomes: [{ status: 'delivered' }, { status: 'delivered' }], accepted: 1, duplicates: 1, failure: undefined })
  })

  test('waits as long as Retry-After says, as seconds or as a date', async () => {
    const seconds = { status: 503, headers: { 'retry-after': '7' } }
    const date = { status: 429, headers: { 'retry-after': new Date(START_MS + 60_000).toUTCString() } }
    expect((await deliver('a', [seconds, date, counted(1)])).requests.map(({ afterMs }) => afterMs)).toEqual([0, 7_000, 60_000])
  })

  test('sends halves after 413, and rejects an event that is too large alone; the outcomes keep the order of the events', async () => {
    const conflict = { index: 0, event_id: 'c', reason: 'conflict', message: 'no' }
    const tooLarge = { status: 413, body: { code: 'TOO_LARGE', message: 'too large' } }
    const { delivery, requests } = await deliver('abc', [tooLarge, tooLarge, counted(1), tooLarge, counted(0, 0, [conflict])])
    expect(requests.map(({ ids }) => ids)).toEqual(['abc', 'ab', 'a', 'b', 'c'])
    expect(delivery.outcomes).toEqual([
      { status: 'delivered' },
      { status: 'rejected', reason: 'too_large', message: 'too large' },
      { status: 'rejected', reason: 'conflict', message: 'no' },
    ])
  })

  test('ends at an answer that repeating does not change, and leaves the events undelivered', async () => {
    const { delivery } = await deliver('ab', [{ status: 401, body: { code: 'UNAUTHENTICATED', message: 'not valid' } }])
    expect(delivery.failure).toEqual({ kind: 'refused', httpStatus: 401, code: 'UNAUTHENTICATED', message: 'not valid' })
    expect(delivery.outcomes).toEqual([{ status: 'undelivered' }, { status: 'undelivered' }])
  })

  test('takes a 200 of something else, or one that does not count these events, for no delivery', async () => {
    for (const body of [{ hello: 'world' }, { accepted: 1, duplicates: 0, rejected: [] }, { accepted: 1, rejected: [{ index: 2, reason: '', message: '' }] }])
      expect((await deliver('ab', [{ status: 200, body }])).delivery.failure?.kind).toBe('refused')
  })

  test('does not know duplicates if the service detects them later', async () => {
    expect((await deliver('ab', [{ status: 202, body: { accepted: 2, rejected: [] } }])).delivery).toMatchObject({ accepted: 2, duplicates: undefined })
  })

  test('gives up after the given time, and an attempt without an answer ends after its own', async () => {
    const { delivery, requests } = await deliver('a', ['never', 'no answer', 'no answer'], { giveUpAfterMs: 3_000, attemptTimeoutMs: 1_000 })
    expect(requests.map(({ afterMs }) => afterMs)).toEqual([0, 1_500, 2_500])
    expect(delivery.failure).toMatchObject({ kind: 'gave_up', message: 'There was no answer (ECONNREFUSED).' })
  })

  test('ends when the signal is aborted, while it waits and while a request is in progress', async () => {
    const waiting = new AbortController()
    const aborted = await deliver('a', ['no answer'], { signal: waiting.signal, onRetry: () => queueMicrotask(() => waiting.abort()) })
    expect(aborted.delivery.failure?.kind).toBe('aborted')
    const sending = new AbortController()
    queueMicrotask(() => sending.abort())
    expect((await deliver('a', ['never'], { signal: sending.signal })).delivery.failure?.kind).toBe('aborted')
    expect((await deliver('a', [], { signal: AbortSignal.abort() })).requests).toEqual([])
  })
})
