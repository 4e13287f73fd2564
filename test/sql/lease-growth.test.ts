import { expect, test } from 'vitest'
import { z } from 'zod'
import { acquireLease, type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { openTestStore } from '../support/engines/embedded-store.ts'

test('the fence reads one row per lease after any number of acquisitions, and no merge loses the newest token or their number', async () => {
  const { clickhouse, close } = await openTestStore()
  const acquire = async (): Promise<Lease> => {
    const outcome = await acquireLease(clickhouse, 'often')
    if (outcome.status !== 'acquired') throw new Error(outcome.status)
    return outcome.lease
  }
  const write = ({ name, epoch, owner }: Lease) =>
    clickhouse.ingest.insert({
      table: 'log_positions_inbox_v1',
      columns: ['log', 'epoch', 'owner', 'first', 'through'],
      text: row([name, epoch, owner, 1, 1]),
      tag: leaseTag(name),
    })
  const before = await acquire()
  for (const part of [0, 1, 2])
    await clickhouse.control.command(`INSERT INTO leases_v1 (name, epoch, owner)
      SELECT 'often', ${before.epoch + 1} + ${part} + number * 3, toString(number) FROM numbers(${OFTEN})`)
  await clickhouse.control.command('OPTIMIZE TABLE leases_v1 FINAL')
  expect(await clickhouse.reads.query(rowsOfLease, { name: 'often' })).toEqual([{ rows: 1, epoch: before.epoch + 3 * OFTEN, acquisitions: 1 + 3 * OFTEN }])
  await expect(write(before)).rejects.toMatchObject({ fault: 'fenced' })
  const after = await acquire()
  expect(after.acquisitions).toBe(2 + 3 * OFTEN)
  await write(after)
  await close()
})

/** Acquisitions of one part. */
const OFTEN = 100_000

const rowsOfLease = defineQuery({
  name: 'test_rows_of_lease',
  sql: `SELECT count() AS rows, max(newest.1) AS epoch, sum(acquisitions) AS acquisitions FROM leases_v1 WHERE name = {name: String}`,
  params: z.object({ name: z.string() }),
  row: z.object({ rows: z.coerce.number(), epoch: z.coerce.number(), acquisitions: z.coerce.number() }),
})
