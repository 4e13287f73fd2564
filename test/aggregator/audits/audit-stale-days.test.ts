import { afterAll, beforeAll, expect, test } from 'vitest'
import { audit } from '../../../aggregator/audits/audit.ts'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const ALL = { from: '1970-01-01', end: '2148-12-31' }
const immediately = <T>(work: () => Promise<T>) => work()
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

// There is no service here, so only this test refreshes partnership days.
let store: TestStore
let log: HttpLog
beforeAll(async () => {
  store = await openTestStore()
  log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
})
afterAll(async () => {
  await log.stop()
  await store.close()
})

async function send(project: string, name: string): Promise<void> {
  await log.submit(submissionOf([{ event_id: name, project_id: project, metric: 'ai_tokens', value: '3', timestamp: '2026-01-01T00:00:00Z' }]))
}

async function register(project: string): Promise<void> {
  await store.clickhouse.registry.insert({
    table: 'projects_v1',
    columns: ['project_id', 'revision', 'partner_id', 'name', 'status', 'created_at'],
    text: `${project}\t1\tps_stale\t${project}\tactive\t${(Date.now() / 1000).toFixed(3)}\n`,
  })
}

async function partnershipDifferences() {
  return (await audit(store.clickhouse, ALL, immediately)).partnershipDifferences
}

test('P3: the audit reports no difference for a stale day or one with a project registered since, because readers compute these', async () => {
  await register('first')
  await send('first', 'a')
  // Before the first refresh nothing is materialized.
  expect(await partnershipDifferences()).toEqual([])
  await refreshPartnershipDays(store.clickhouse)
  expect(await partnershipDifferences()).toEqual([])
  await send('first', 'b')
  expect(await partnershipDifferences()).toEqual([])
  await send('second', 'a')
  await refreshPartnershipDays(store.clickhouse)
  await register('second')
  expect(await partnershipDifferences()).toEqual([])
})

test('P3: the audit finds a missing materialized row, and the next refresh computes it again', async () => {
  const { clickhouse } = store
  await refreshPartnershipDays(clickhouse)
  expect(await partnershipDifferences()).toEqual([])
  await clickhouse.control.command(`ALTER TABLE partnership_usage_per_day_v1 DELETE WHERE 1 SETTINGS mutations_sync = 2`)
  expect(await partnershipDifferences()).toMatchObject([{ partner_id: 'ps_stale', raw_value: '9', kept_value: '0', raw_events: '3', kept_events: '0' }])
  await refreshPartnershipDays(clickhouse)
  expect(await partnershipDifferences()).toEqual([])
})

test('P3: the audit reports no difference for a month whose rebuild was interrupted, because readers compute it', async () => {
  const { clickhouse } = store
  await refreshPartnershipDays(clickhouse)
  const insert = (values: string) => clickhouse.control.command(`INSERT INTO rollup_rebuilds_v1 SETTINGS async_insert = 0 VALUES ${values}`)
  await insert(`('2026-01', 1, 0)`)
  await clickhouse.control.command(`ALTER TABLE partnership_usage_per_day_v1 DELETE WHERE 1 SETTINGS mutations_sync = 2`)
  expect(await partnershipDifferences()).toEqual([])
  await insert(`('2026-01', 1, 1)`)
  expect(await partnershipDifferences()).toMatchObject([{ partner_id: 'ps_stale', raw_value: '9', kept_value: '0' }])
})
