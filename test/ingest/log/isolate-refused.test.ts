import { expect, test } from 'vitest'
import type { LogRecord, Verdict } from '../../../ingest/log/detect-duplicates.ts'
import { isolateRefused } from '../../../ingest/log/isolate-refused.ts'
import { StoreError } from '../../../sql/errors.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const COUNTED: Verdict = { status: 'counted' }

function recordsOf(count: number): LogRecord[] {
  const { validated, receivedMs, ingestKeyId } = submissionOf(
    Array.from({ length: count }, (_, index) => ({ event_id: `${index}`, project_id: 'p', metric: 'ai_tokens', value: 1, timestamp: '2026-01-01T00:00:00Z' })),
  )
  return validated.map((each, offset) => ({ log: 'http', offset, validated: each, receivedMs, ingestKeyId }))
}

/** A log whose store rejects a batch that contains one of the offsets, unless their verdict is given. It records what happens in order. */
function logThatRejects(offsets: readonly number[]) {
  const steps: string[] = []
  const write = async (records: readonly LogRecord[], verdict?: Verdict) => {
    const written = records.map(({ offset }) => offset)
    if (verdict === undefined && written.some((offset) => offsets.includes(offset))) throw new StoreError('refused', 'injected', { code: 117 })
    steps.push(`${verdict?.status ?? 'write'} ${written.join(',')}`)
    return records.map(() => verdict ?? COUNTED)
  }
  const reacquire = async () => void steps.push('reacquire')
  return { steps, writer: { log: 'http', logger: quiet, write, reacquire } }
}

test('P7: the events that the store rejects are found among many, and every other event is written once', async () => {
  const { steps, writer } = logThatRejects([2, 5])
  const verdicts = await isolateRefused(recordsOf(7), writer)
  const reasons = verdicts.map((verdict) => (verdict.status === 'rejected' ? verdict.rejection.reason : verdict.status))
  expect(reasons).toEqual(['counted', 'counted', 'refused_by_store', 'counted', 'counted', 'refused_by_store', 'counted'])
  expect(steps.filter((step) => step !== 'reacquire')).toEqual(['write 0,1', 'rejected 2', 'write 3', 'write 4', 'rejected 5', 'write 6'])
})

test('P2: nothing is written after an error before the lease is acquired again', async () => {
  const { steps, writer } = logThatRejects([0])
  await isolateRefused(recordsOf(2), writer)
  expect(steps).toEqual(['reacquire', 'reacquire', 'rejected 0', 'write 1'])
})

test('P1: any other fault of the store is thrown, and no event is rejected for it', async () => {
  const { steps, writer } = logThatRejects([])
  const unavailable = { ...writer, write: () => Promise.reject(new StoreError('unavailable', 'injected')) }
  await expect(isolateRefused(recordsOf(4), unavailable)).rejects.toMatchObject({ fault: 'unavailable' })
  expect(steps).toEqual([])
})
