import { expect, test } from 'vitest'
import { splitBatch } from '../../../ingest/kafka/split-batch.ts'
import { BatchSize } from '../../../ingest/log/batch-size.ts'
import type { LogRecord } from '../../../ingest/log/detect-duplicates.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const RECORDS = 300
const LIMITS = { batchEventsMax: 1_000, batchBytesMax: 1e6, batchMonthsMax: 24, batchDaysMax: 400 }

test('while a large batch is decoded, other work of the process has its turns: heartbeats must not wait for it', async () => {
  const { validated } = submissionOf([{ event_id: 'e', project_id: 'p', metric: 'ai_tokens', value: '1', timestamp: '2026-11-01T00:00:00Z' }])
  const read = ({ offset }: { offset: string }): LogRecord => {
    const untilMs = performance.now() + 1
    while (performance.now() < untilMs) {}
    return { log: 'l', offset: Number(offset), validated: validated[0] as LogRecord['validated'], receivedMs: 0, ingestKeyId: 'k' }
  }
  const records = Array.from({ length: RECORDS }, (_, offset) => ({ offset: String(offset), timestamp: '0', value: Buffer.from('{}') }))
  const batch = { partition: 0, fetchedOffset: 0, records, through: RECORDS - 1, end: RECORDS }
  let [turns, done] = [0, false]
  const countTurns = () => {
    turns += 1
    if (!done) setImmediate(countTurns)
  }
  setImmediate(countTurns)
  const parts = []
  for await (const part of splitBatch(batch, { next: 0, limits: LIMITS, size: new BatchSize(), read })) parts.push(part)
  done = true
  expect(parts.map((part) => [part.records.length, part.through])).toEqual([[RECORDS, RECORDS - 1]])
  expect(turns).toBeGreaterThanOrEqual(3)
})
