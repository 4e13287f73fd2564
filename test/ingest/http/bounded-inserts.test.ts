import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { openHttpLog } from '../../../ingest/http/http-log.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

test('P6: an event of a day that the store cannot hold is refused by the store itself, should validation let it pass; the others count', async () => {
  const log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
  const submission = submissionOf(
    ['a', 'b', 'c'].map((event_id) => ({ event_id, project_id: 'wrapped', metric: 'ai_tokens', value: 1, timestamp: '2026-01-31T00:00:00Z' })),
  )
  const validated = submission.validated.map((each) =>
    each.status === 'valid' && each.event.eventId === 'b' ? { ...each, event: { ...each.event, timestampMs: Date.UTC(2200, 11, 31) } } : each,
  )
  const verdicts = await log.submit({ ...submission, validated })
  expect(verdicts.map((verdict) => (verdict.status === 'rejected' ? verdict.rejection.reason : verdict.status))).toEqual([
    'counted',
    'refused_by_store',
    'counted',
  ])
  expect(await store.clickhouse.reads.query(storedDays, { project: 'wrapped' })).toEqual([{ day: '2026-01-31', raw: 2, rollup: 2 }])
  await log.stop()
})

const storedDays = defineQuery({
  name: 'test_stored_days',
  sql: `SELECT usage_date AS day, sum(events) AS rollup, (SELECT count() FROM raw_usage_events_v1 WHERE project_id = {project: String}) AS raw
        FROM project_usage_per_day_v1 WHERE project_id = {project: String} GROUP BY usage_date`,
  params: z.object({ project: z.string() }),
  row: z.object({ day: z.string(), raw: z.coerce.number(), rollup: z.coerce.number() }),
})
