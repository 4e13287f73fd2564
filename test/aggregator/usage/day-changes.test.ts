import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

/**
 * In the other order, a refresh could read the new number of changes, compute the day without the event, and use that result permanently.
 * The order shows when recording the change fails: by then the rollup must already hold the event.
 */
test('P3: a change of a day is recorded only after the rollup holds it', async () => {
  const { control, ingest } = store.clickhouse
  await control.command('CREATE TABLE broken_target (usage_date Date) ENGINE = Null')
  await control.command(
    "CREATE MATERIALIZED VIEW broken TO broken_target AS SELECT usage_date FROM usage_day_changes_v1 WHERE throwIf(changes > 0, 'injected') = 0",
  )
  const event = (id: string) => `p\t${id}\t2026-03-15\tai_tokens\t2026-03-15 00:00:00.000\t1\thttp\t1\t2026-03-15 00:00:00.000\n`
  const send = (id: string) =>
    ingest.insert({
      table: 'raw_usage_events_v1',
      columns: ['project_id', 'event_id', 'usage_date', 'metric', 'timestamp', 'value', 'log', 'rank', 'received_at'],
      text: event(id),
    })
  await expect(send('torn')).rejects.toThrow()
  expect(await ingest.query(storedOfDay, {})).toEqual([{ raw: 1, rollup: 1 }])
  await control.command('DROP VIEW broken')
  await send('whole')
  expect(await ingest.query(storedOfDay, {})).toEqual([{ raw: 2, rollup: 2 }])
})

const storedOfDay = defineQuery({
  name: 'stored_of_day',
  sql: 'SELECT (SELECT count() FROM raw_usage_events_v1) AS raw, (SELECT sum(events) FROM project_usage_per_day_v1) AS rollup',
  params: z.object({}),
  row: z.object({ raw: z.coerce.number(), rollup: z.coerce.number() }),
})
