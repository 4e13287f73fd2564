import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { audit } from '../../../aggregator/audits/audit.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { addToRollup, deleteFromRollup, falsifyPartnershipDay } from '../../support/oracles/rollup-faults.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { untilServiceRefreshed } from '../../support/worlds/refreshed-days.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const DAY = '2026-03-01'
const ALL = { from: '1970-01-01', end: '2148-12-31' }
const immediately = <T>(work: () => Promise<T>) => work()

let tested: TestService
let alpha: Credentials
let beta: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  alpha = await client.createPartner('Alpha')
  beta = await client.createPartner('Beta')
  await client.registerProject('a1', alpha.partnerId)
  await client.registerProject('a2', alpha.partnerId)
  await client.registerProject('b1', beta.partnerId)
  await client.createIngestKey()
  await client.send(
    ['a1', 'a2', 'b1', 'nobodys'].flatMap((project) => [
      event(project, 'tokens-1', 'ai_tokens', 5, DAY),
      event(project, 'tokens-2', 'ai_tokens', 7, DAY),
      event(project, 'size-1', 'database_size_bytes', 100, DAY),
      event(project, 'tokens-3', 'ai_tokens', 1, '2026-04-15'),
    ]),
  )
  await untilServiceRefreshed(tested.service.clickhouse)
})
afterAll(() => tested.stop())

function event(project: string, name: string, metric: string, value: number, day: string) {
  return { event_id: `${project}-${name}`, project_id: project, metric, value, timestamp: `${day}T10:00:00Z` }
}

describe('an audit of correct totals', () => {
  test('P3: an audit of everything, a partner, a span, a project or some days recounts its scope and finds no differences', async () => {
    const { clickhouse } = tested.service
    const good = { differences: [], partnershipDifferences: [], truncated: false }
    expect(await audit(clickhouse, ALL, immediately)).toEqual({ eventsRecounted: 16, keysCompared: 12, ...good })
    expect(await audit(clickhouse, { ...ALL, partnerId: alpha.partnerId }, immediately)).toEqual({ eventsRecounted: 8, keysCompared: 6, ...good })
    expect(await audit(clickhouse, { from: DAY, end: '2026-03-02', partnerId: beta.partnerId }, immediately)).toMatchObject({
      eventsRecounted: 3,
      keysCompared: 2,
    })
    expect(await audit(clickhouse, { ...ALL, projectId: 'nobodys' }, immediately)).toEqual({ eventsRecounted: 4, keysCompared: 3, ...good })
    expect(await audit(clickhouse, { ...ALL, days: ['2026-04-15'] }, immediately)).toEqual({ eventsRecounted: 4, keysCompared: 4, ...good })
  })
})

describe('materialized partnership days', () => {
  test('P3: an audit compares them with the values that count after corrections', async () => {
    const { service, client } = tested
    const corrected = [event('b1', 'amended', 'mcp_calls', 5, DAY), event('b1', 'again', 'mcp_calls', 7, DAY)]
    const amend = { event_id: 'amends', project_id: 'b1', corrects: 'b1-amended', action: 'amend', value: '6', reason: 'test' }
    expect((await client.send([...corrected, amend])).body).toMatchObject({ accepted: '3', rejected: [] })
    await untilServiceRefreshed(service.clickhouse)
    expect((await client.audit({ from: DAY, to: DAY })).body).toMatchObject({ differences: [], partnership_differences: [] })
    await falsifyPartnershipDay(service.clickhouse, { partnerId: beta.partnerId, day: DAY, metric: 'mcp_calls' })
    expect((await client.audit()).body.partnership_differences).toMatchObject([{ metric: 'mcp_calls', raw_events: '2', raw_value: '13', kept_value: '14' }])
    await untilSo(async () => (await client.audit()).body.partnership_differences.length === 0)
  })

  test('P3: a materialized day that is not the sum of raw is found for its partner only, and the service computes it again', async () => {
    const { service, client } = tested
    const { clickhouse } = service
    const of = { partnerId: alpha.partnerId, day: DAY, metric: 'ai_tokens' }
    // A day that waits for its recomputation is not compared.
    await untilServiceRefreshed(clickhouse)
    await falsifyPartnershipDay(clickhouse, of)
    expect((await audit(clickhouse, { ...ALL, partnerId: beta.partnerId }, immediately)).partnershipDifferences).toEqual([])
    const { body } = await client.audit()
    expect(body.differences).toEqual([])
    expect(body.partnership_differences).toEqual([
      { partner_id: alpha.partnerId, usage_date: DAY, metric: 'ai_tokens', raw_events: '4', kept_events: '4', raw_value: '24', kept_value: '25' },
    ])
    await untilSo(async () => (await client.partnershipUsage(alpha, DAY, DAY)).body.summary.ai_tokens === '24')
    await untilSo(async () => (await client.audit()).body.partnership_differences.length === 0)
  })
})

describe('the rollup', () => {
  test('P3: usage missing from the rollup is found and repaired by the log’s owner automatically, and the audit finds 0 again', async () => {
    const { service, client } = tested
    const { clickhouse } = service
    for (const metric of ['ai_tokens', 'database_size_bytes']) await deleteFromRollup(clickhouse, { project: 'a1', day: DAY, metric })
    const { body } = await client.audit({ from: DAY, to: DAY })
    expect(body.differences).toMatchObject([
      { project_id: 'a1', metric: 'ai_tokens', raw_events: '2', rollup_events: '0', raw_total: '12', rollup_total: '0' },
      { project_id: 'a1', metric: 'database_size_bytes', raw_peak: '100', rollup_peak: '0' },
    ])
    await untilSo(async () => (await compareRawWithRollup(clickhouse)).behind === 0)
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
    expect((await client.audit()).body.differences).toEqual([])
    expect(await (await fetch(`${service.url}/metrics`)).text()).toContain('meterline_rollup_repaired_keys_total{log="http"} 2')
    const usage = await client.projectUsage(alpha, 'a1', DAY, DAY)
    expect(usage.body.summary).toMatchObject({ total_ai_tokens: '12', max_database_size_bytes: '100' })
    await untilSo(async () => (await client.partnershipUsage(alpha, DAY, DAY)).body.summary.database_bytes === '200')
  })

  test('P3: a repair that is requested twice, while events arrive, adds nothing twice', async () => {
    const { service, client } = tested
    const { clickhouse } = service
    await deleteFromRollup(clickhouse, { project: 'a2', day: DAY, metric: 'ai_tokens' })
    await Promise.all([audit(clickhouse, ALL, immediately), audit(clickhouse, ALL, immediately)])
    for (let sent = 0; (await compareRawWithRollup(clickhouse)).behind > 0; sent += 1)
      await client.send([event('a2', `while-${sent}`, 'ai_tokens', 1, DAY), event('b1', `while-${sent}`, 'ai_tokens', 1, DAY)])
    await audit(clickhouse, ALL, immediately)
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
    expect((await client.audit()).body.differences).toEqual([])
  })

  test('P3: a rollup with more usage than raw is reported by every audit, never repaired by a guess, and blocks nothing', async () => {
    const { service, client } = tested
    const { clickhouse } = service
    await addToRollup(clickhouse, { project: 'b1', day: '2026-04-15', metric: 'ai_tokens' }, 9)
    await deleteFromRollup(clickhouse, { project: 'a1', day: '2026-04-15', metric: 'ai_tokens' })
    expect((await client.audit()).body.differences).toHaveLength(2)
    // The other difference is repaired although this one cannot be.
    await untilSo(async () => (await compareRawWithRollup(clickhouse)).behind === 0)
    expect((await client.audit()).body.differences).toMatchObject([{ project_id: 'b1', raw_total: '1', rollup_total: '10' }])
    expect((await client.send([event('b1', 'after', 'ai_tokens', 1, DAY)])).status).toBe(200)
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
    expect(await (await fetch(`${service.url}/metrics`)).text()).toContain('meterline_log_retakes_total{log="http"} 0')
  })
})

test('a second audit is rejected with 409 and a hint while one runs, and the first completes', async () => {
  const { client } = tested
  const answers = await Promise.all([client.audit(), client.audit(), client.audit()])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409])
  expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ success: false, code: 'AUDIT_RUNNING', message: expect.stringContaining('Wait') })
  expect((await client.audit()).status).toBe(200)
})
