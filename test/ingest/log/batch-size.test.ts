import { expect, test } from 'vitest'
import { BatchSize } from '../../../ingest/log/batch-size.ts'
import { StoreError } from '../../../sql/errors.ts'

const MAX = 1024
const tooLong = new StoreError('unavailable', 'too long', { code: 159 })

/** The number of batches until `fits` is exceeded or the batch is as large as it may be. */
function acknowledgedUntilFailure(size: BatchSize, fits: number): number {
  let batches = 0
  for (; size.of(MAX) <= fits && size.of(MAX) < MAX; batches += 1) size.acknowledged()
  return batches
}

test('P6: after a store that was busy for a while, batches are as large again soon', () => {
  const size = new BatchSize()
  for (let failures = 0; failures < 8; failures += 1) size.failed(tooLong)
  expect(size.of(MAX)).toBe(4)
  for (let batches = 0; batches < 51; batches += 1) size.acknowledged()
  expect(size.of(MAX)).toBe(512)
  expect(acknowledgedUntilFailure(size, MAX)).toBe(36)
})

test('P6: where only small batches pass, few are too large', () => {
  const size = new BatchSize()
  const fits = 20
  const failUntilItFits = () => {
    for (; size.of(MAX) > fits; ) size.failed(tooLong)
  }
  failUntilItFits()
  // The store might have been busy only: once more a batch is too large soon, and from then on one of some dozens.
  expect(acknowledgedUntilFailure(size, fits)).toBe(3)
  failUntilItFits()
  for (let failures = 0; failures < 5; failures += 1) {
    expect(acknowledgedUntilFailure(size, fits)).toBeGreaterThanOrEqual(8)
    failUntilItFits()
  }
})

test('P6: neither a newer owner nor a connection that was lost once makes batches smaller, but one that is lost each time does', () => {
  const size = new BatchSize()
  const lost = new StoreError('unavailable', 'socket hang up')
  size.failed(new StoreError('fenced', 'a newer lease', { code: 395 }))
  size.failed(lost)
  size.acknowledged()
  size.failed(lost)
  expect(size.of(MAX)).toBe(MAX)
  // As by a load balancer whose time-out is shorter than the insert.
  size.failed(lost)
  size.failed(lost)
  expect(size.of(MAX)).toBe(MAX / 4)
})
