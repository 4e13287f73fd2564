import { afterAll, beforeAll, expect, test } from 'vitest'
import { KnownMetrics } from '../../../ingest/event/known-metrics.ts'
import { openHttpLog } from '../../../ingest/http/http-log.ts'
import { listRejected, type RejectedEvent } from '../../../ingest/rejected/rejected-events.ts'
import { resendRejected } from '../../../ingest/rejected/resend-rejected.ts'
import { limitReads } from '../../../sql/limited-reads.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

test('P7: pages of a large table of rejected events are read within limits that the whole table exceeds', async () => {
  const { clickhouse } = store
  // One every ten seconds, in two logs: a month in all, up to an hour ago.
  await clickhouse.control.command(`
    INSERT INTO rejected_events_v1 (log, offset, reason, message, project_id, event_id, ingest_key_id, received_at, original)
    SELECT concat('large/', toString(number % 2)), intDiv(number, 2), 'unknown_metric', '', 'p', toString(number), 'large',
      now64(3, 'UTC') - INTERVAL 1 HOUR - toIntervalSecond((260000 - number) * 10), repeat('x', 100)
    FROM numbers(260000)`)
  const limited = limitReads(clickhouse, { rowsMax: 100_000 })
  for (const ingestKeyId of ['', 'large']) {
    const listed: RejectedEvent[] = []
    for (let page = 0; page < 3; page += 1) listed.push(...(await listRejected(limited, { ingestKeyId, after: listed.at(-1), limit: 50 })))
    expect(listed.map(({ event_id }) => event_id)).toEqual(Array.from({ length: 150 }, (_, index) => String(259_999 - index)))
  }
})

test('P7: rejected events are resubmitted in the order of the log, so the first of an identity counts', async () => {
  const { clickhouse } = store
  // Each is in a part of its own with many others, so the store reads them at the same time and returns them in any order.
  for (const [part, day] of ['2026-04-02', '2026-03-02', '2026-05-02', '2026-05-03', '2026-05-04'].entries())
    await clickhouse.control.command(`
      INSERT INTO rejected_events_v1 (log, offset, reason, message, project_id, event_id, ingest_key_id, received_at, original)
      SELECT 'resent', ${part * 10_000} + number, 'unknown_project', '', 'resent', 'same', 'k', '${day}',
        concat('{"event_id":"same","project_id":"resent","metric":"ai_tokens","value":${part},"timestamp":"2026-03-01T00:00:00Z"', repeat(' ', 100), '}')
      FROM numbers(9000)`)
  const eventLog = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  const options = {
    clickhouse,
    eventLog,
    metrics: new KnownMetrics(clickhouse.reads),
    findAllowedProjects: async () => 'all' as const,
    rejectClosedMonths: async <E>(events: E) => events,
  }
  const ids = [4, 3, 2, 1, 0].map((part) => `resent/${part * 10_000 + 5}`)
  const resent = await resendRejected(options, ids, Date.UTC(2026, 5, 1))
  await eventLog.stop()
  expect(resent.map(({ id }) => id)).toEqual(ids)
  expect(resent.map(({ reason }) => reason)).toEqual(['conflict', 'conflict', 'conflict', 'conflict', null])
})
