import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openHttpLog } from '../../../ingest/http/http-log.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { readMigrations } from '../../../sql/migrate.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { queriesOf } from '../../support/query-trace.ts'
import { storeInDoubt } from '../../support/worlds/store-in-doubt.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const VIEW = 'project_usage_per_day_mv_v1'

let store: TestStore
let clickhouse: ClickHouse
beforeAll(async () => {
  store = await openTestStore()
  clickhouse = store.clickhouse
})
afterAll(() => store.close())
beforeEach(openAndStop)

test('P3: of a settled range nothing is read, and of a range in doubt that is whole only its days are counted', async () => {
  expect(reconciling(await queriesOf(openAndStop))).toEqual([])
  await storeInDoubt(clickhouse, eventsOf('whole', 3))
  expect(reconciling(await queriesOf(openAndStop))).toEqual(['days_of_range', 'days_that_differ'])
  expect(reconciling(await queriesOf(openAndStop))).toEqual([])
})

test('P3: a range that the rollup has in part is repaired on the days that differ, also beside equal events of another day', async () => {
  await storeInDoubt(clickhouse, eventsOf('torn', 1))
  await openAndStop()
  const statement = (await readMigrations()).flatMap(({ statements }) => statements).find((each) => each.includes(`VIEW IF NOT EXISTS ${VIEW} `))
  if (statement === undefined) throw new Error(`No migration creates ${VIEW}.`)
  await clickhouse.control.command(`DROP VIEW ${VIEW}`)
  // As a kill leaves it: the part of February has its rollup, those of January and March do not.
  await clickhouse.control.command(statement.replace('FROM raw_usage_events_v1', 'FROM raw_usage_events_v1 WHERE toMonth(usage_date) = 2'))
  await storeInDoubt(
    clickhouse,
    eventsOf('torn', 3).map((event) => ({ ...event, event_id: `${event.event_id}-again` })),
  )
  await clickhouse.control.command(`DROP VIEW ${VIEW}`)
  await clickhouse.control.command(statement)
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 2 })

  const queries = await queriesOf(openAndStop)
  expect(reconciling(queries)).toEqual(['days_of_range', 'days_that_differ', 'keys_of_range', 'rollup_differences_of_keys'])
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
})

/** The queries of reconciling, without the others of a start. */
function reconciling(queries: readonly string[]): string[] {
  return queries.filter((name) => /_of_range$|_that_differ$|_of_keys$/.test(name))
}

async function openAndStop(): Promise<void> {
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  await log.stop()
}

/** One event for each month. */
function eventsOf(project: string, months: number): TestEvent[] {
  return Array.from({ length: months }, (_, month) => ({
    event_id: `e${month}`,
    project_id: project,
    metric: 'ai_tokens',
    value: month + 1,
    timestamp: `2026-0${month + 1}-10T00:00:00Z`,
  }))
}
