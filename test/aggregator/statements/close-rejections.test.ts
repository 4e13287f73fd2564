import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countNegativeAdjustments } from '../../../aggregator/statements/negative-adjustments.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
  const partner = await tested.client.createPartner('Watermark')
  await untilSo(async () => (await tested.client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.as_of !== null)
})
afterAll(() => tested.stop())

async function partnerFrom(month: string): Promise<Credentials> {
  const partner = await tested.client.createPartner(`from ${month}`)
  expect((await tested.client.billFrom(partner.partnerId, month)).status).toBe(200)
  return partner
}

const monthAhead = (months: number) => {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1)).toISOString().slice(0, 7)
}

describe('rejected closings', () => {
  test('P4: a month cannot be closed before it is over, out of order, before the first billed month, or for an unknown partner', async () => {
    const { client } = tested
    const { partnerId } = await partnerFrom('2026-03')
    expect((await client.closeMonth(partnerId, '2026-04')).body).toMatchObject({
      code: 'EARLIER_MONTH_OPEN',
      message: 'Months close in order: close 2026-03 first.',
    })
    expect(await client.closeMonth(partnerId, '2026-02')).toMatchObject({ status: 404, body: { code: 'STATEMENT_NOT_FOUND' } })
    expect(await client.closeMonth(partnerId, '2026-13')).toMatchObject({ status: 400, body: { message: '"2026-13" is not a month as YYYY-MM.' } })
    expect(await client.closeMonth('ps_nobody', '2026-03')).toMatchObject({ status: 404, body: { code: 'PARTNER_NOT_FOUND' } })
    // A partner is billed from the month of its creation, unless an operator sets another month.
    const young = await client.createPartner('young')
    expect(await client.closeMonth(young.partnerId, monthAhead(0))).toMatchObject({ status: 409, body: { code: 'MONTH_NOT_OVER' } })
    expect((await client.statement(young, monthAhead(0))).body.statement.status).toBe('open')
    expect((await client.statement(young, monthAhead(-1))).status).toBe(404)
    expect((await client.statement(young, monthAhead(1))).status).toBe(404)
    const months = (await client.partner(await partnerFrom('2026-03'), 'GET', '/statements')).body.statements
    expect(months.map((each: { statement: { status: string } }) => each.statement.status)).not.toContain('closed')
  })

  test('P4: a month is not closed while the audit finds differences, and nothing is changed', async () => {
    const { client, service } = tested
    const partner = await partnerFrom('2026-03')
    await client.registerProject('torn', partner.partnerId)
    await client.send({ event_id: 'e', project_id: 'torn', metric: 'ai_tokens', value: 5, timestamp: '2026-03-03T00:00:00Z' })
    // The rollup has more than raw, which no repair can fix.
    await service.clickhouse.reads.insert({
      table: 'project_usage_per_day_v1',
      columns: ['project_id', 'usage_date', 'metric', 'log', 'peak', 'total', 'events', 'last_event_at'],
      text: 'torn\t2026-03-03\tai_tokens\thttp\t9\t9\t1\t2026-03-03 00:00:00.000\n',
    })
    const rejected = await client.closeMonth(partner.partnerId, '2026-03')
    expect(rejected).toMatchObject({ status: 409, body: { code: 'AUDIT_DIFFERS' } })
    expect((await client.statement(partner, '2026-03')).body.statement).toMatchObject({ status: 'open', sha256: null })
    // The month of another partner is not delayed.
    const other = await partnerFrom('2026-03')
    expect((await client.closeMonth(other.partnerId, '2026-03')).status).toBe(200)
  })

  test('P4: the first billed month cannot be changed once a month is closed, and a manual adjustment is validated and idempotent', async () => {
    const { client } = tested
    const partner = await partnerFrom('2026-05')
    expect((await client.billFrom(partner.partnerId, '2026-04')).body.partner.billing_from).toBe('2026-04')
    expect((await client.closeMonth(partner.partnerId, '2026-04')).status).toBe(200)
    expect(await client.billFrom(partner.partnerId, '2026-03')).toMatchObject({ status: 409, body: { code: 'ALREADY_BILLED' } })
    expect((await client.billFrom(partner.partnerId, 'May')).status).toBe(400)
    const manual = { for_month: '2026-04', metric: 'ai_tokens', value: '-2', reason: 'agreed' }
    const put = (changed: object) => client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, { ...manual, ...changed })
    expect((await put({ value: '1e3' })).status).toBe(400)
    expect((await put({ value: 5 })).status).toBe(400)
    expect((await put({ value: '0.0' })).status).toBe(400)
    expect((await put({ reason: ' ' })).status).toBe(400)
    expect((await put({ metric: 'nothing' })).status).toBe(400)
    expect((await put({ project_id: 'torn' })).body.code).toBe('PROJECT_NOT_FOUND')
    expect((await put({ for_month: '2025-01' })).body.code).toBe('STATEMENT_NOT_FOUND')
    expect((await put({})).status).toBe(201)
    // Sending it again with the same id adds no second line; a different line with that id is rejected.
    expect((await put({ id: 'credit-7' })).body).toEqual({ id: 'credit-7', statement: '2026-05' })
    expect((await put({ id: 'credit-7' })).body).toEqual({ id: 'credit-7', statement: '2026-05' })
    expect((await put({ id: 'credit-7', value: '-3' })).body.code).toBe('MANUAL_LINE_EXISTS')
    const { adjustments } = (await client.statement(partner, '2026-05')).body
    expect(adjustments.map((line: { value: string }) => line.value)).toEqual(['-2', '-2'])
    // Once it is billed, the response names the statement that contains it, not the next one.
    expect((await client.closeMonth(partner.partnerId, '2026-05')).status).toBe(200)
    expect((await put({ id: 'credit-7' })).body).toEqual({ id: 'credit-7', statement: '2026-05' })
    expect((await put({ id: 'credit-8' })).body).toEqual({ id: 'credit-8', statement: '2026-06' })
  })

  test('P4: a first billed month in the distant past must be confirmed, because all months since would be closed permanently', async () => {
    const { client } = tested
    const { partnerId } = await client.createPartner('typing error')
    expect((await client.billFrom(partnerId, '1999-12')).status).toBe(400)
    const far = await client.billFrom(partnerId, '2006-03')
    expect([far.status, far.body.message]).toEqual([400, expect.stringContaining('Send "confirm": true')])
    expect((await client.admin('PATCH', `/admin/v1/partners/${partnerId}`, { billing_from: '2006-03', confirm: true })).status).toBe(200)
    // Set back immediately, because a test below closes months that are due.
    expect((await client.billFrom(partnerId, monthAhead(0))).status).toBe(200)
  })
})

test('P5: a partner cannot read the statements, exports or projects of another partner', async () => {
  const { client } = tested
  const [mine, theirs] = [await partnerFrom('2026-03'), await partnerFrom('2026-03')]
  await client.registerProject('theirs', theirs.partnerId)
  await client.closeMonth(theirs.partnerId, '2026-03')
  const paths = ['/statements', '/statements/2026-03', '/statements/2026-03/export?format=csv', '/projects', '/usage/explain?metric=ai_tokens']
  for (const path of paths) {
    const another = await client.partner({ partnerId: theirs.partnerId, secret: mine.secret }, 'GET', path)
    const unknown = await client.partner({ partnerId: 'ps_nobody', secret: mine.secret }, 'GET', path)
    expect([another.status, { ...another.body, request_id: '' }]).toEqual([401, { ...unknown.body, request_id: '' }])
    expect((await client.partner(theirs, 'GET', path)).status).toBe(200)
  }
  expect((await client.partner(mine, 'GET', '/usage/explain?metric=ai_tokens&project_id=theirs')).body.code).toBe('PROJECT_NOT_FOUND')
})

test('a statement that corrects a month to less than was billed raises the alarm', async () => {
  const { client, service } = tested
  const partner = await partnerFrom('2026-03')
  await client.registerProject('shrunk', partner.partnerId)
  await client.send({ event_id: 'e', project_id: 'shrunk', metric: 'ai_tokens', value: 4, timestamp: '2026-03-03T00:00:00Z' })
  expect((await client.closeMonth(partner.partnerId, '2026-03')).status).toBe(200)
  expect(await countNegativeAdjustments(service.clickhouse)).toBe(0)
  // Only a repaired fault can cause this: raw holds less than was billed.
  await service.clickhouse.control.command("ALTER TABLE raw_usage_events_v1 DELETE WHERE project_id = 'shrunk' SETTINGS mutations_sync = 1")
  expect((await client.admin('POST', '/admin/v1/rebuilds', { month: '2026-03' })).status).toBe(200)
  expect((await client.closeMonth(partner.partnerId, '2026-04')).body.adjustments).toMatchObject([{ for_month: '2026-03', value: '-4' }])
  expect(await countNegativeAdjustments(service.clickhouse)).toBe(1)
})

test('P4: events of a closed month can be corrected, and the next statement has the difference with its reasons, without an alarm', async () => {
  const { client, service } = tested
  const partner = await partnerFrom('2026-03')
  for (const project of ['mistaken', 'neighbour']) await client.registerProject(project, partner.partnerId)
  const event = (project_id: string, event_id: string, metric: string, day: string, value: number) => ({
    event_id,
    project_id,
    metric,
    value,
    timestamp: `${day}T00:00:00Z`,
  })
  await client.send([
    ...[event('mistaken', 't1', 'ai_tokens', '2026-03-03', 10), event('mistaken', 't2', 'ai_tokens', '2026-03-03', 5)],
    ...[event('mistaken', 'p1', 'database_size_bytes', '2026-03-03', 100), event('mistaken', 'p2', 'database_size_bytes', '2026-03-05', 70)],
    event('neighbour', 'p3', 'database_size_bytes', '2026-03-05', 20),
  ])
  const march = await client.closeMonth(partner.partnerId, '2026-03')
  const alarms = await countNegativeAdjustments(service.clickhouse)
  const correct = async (corrects: string, reason: string, value?: string) => {
    const correction = { project_id: 'mistaken', corrects, reason, ...(value === undefined ? { action: 'void' } : { action: 'amend', value }) }
    const { accepted, duplicates, rejected } = (await client.admin('POST', '/admin/v1/corrections', { corrections: [correction] })).body
    return [Number(accepted), Number(duplicates), rejected.map((each: { reason: string }) => each.reason)]
  }
  expect(await correct('t1', 'sent twice')).toEqual([1, 0, []])
  expect(await correct('t1', 'sent twice')).toEqual([0, 1, []])
  expect(await correct('t2', 'not in thousands', '4')).toEqual([1, 0, []])
  expect(await correct('p1', 'measured wrong')).toEqual([1, 0, []])
  expect(await correct('nothing', 'no such event')).toEqual([0, 0, ['unknown_event']])
  expect(await correct('t2', 'a wrong value', '-1')).toEqual([0, 0, ['invalid_value']])
  expect((await client.closeMonth(partner.partnerId, '2026-04')).body.adjustments).toEqual(
    [
      ['mistaken', 'ai_tokens', '-11', 'corrected after the month was billed: sent twice; not in thousands'],
      ['mistaken', 'database_size_bytes', '-30', 'corrected after the month was billed: measured wrong'],
      ['neighbour', 'database_size_bytes', '20', 'the peak was corrected after the month was billed: measured wrong'],
    ].map(([project_id, metric, value, reason]) => ({ for_month: '2026-03', project_id, metric, kind: 'adjustment', value, reason })),
  )
  expect((await client.closeMonth(partner.partnerId, '2026-03')).text).toBe(march.text)
  expect((await client.statement(partner, '2026-03')).body.totals.every(({ unbilled }: { unbilled: string }) => unbilled === '0')).toBe(true)
  expect(await countNegativeAdjustments(service.clickhouse)).toBe(alarms)
  const { body: explained } = await client.partner(partner, 'GET', '/usage/explain?metric=ai_tokens&start_date=2026-03-01&end_date=2026-03-31')
  expect(explained).toMatchObject({ value: '4', events: '1', corrections: { all: '2', voids: '1' } })
  expect(explained.corrections.latest).toMatchObject([
    { corrects: 't2', action: 'amend', before: '5', after: '4', reason: 'not in thousands', after_closing: true },
    { corrects: 't1', action: 'void', before: '10', after: null, reason: 'sent twice', after_closing: true },
  ])
  const { body: listed } = await client.admin('GET', '/admin/v1/corrections?project_id=mistaken&from=2026-03-05&to=2026-03-05')
  expect(listed).toEqual({ corrections: [], next_cursor: null })
  const { body: noted } = await client.admin('GET', '/admin/v1/audit-log?action=events.correct&subject=mistaken')
  expect(noted.entries[0]).toMatchObject({ details: { corrections: '1', events: ['t2'] } })
})

test('P6: usage of a metric that was taken out of the catalogue fails no read, keeps its month open, and stays on closed statements', async () => {
  const { client, service } = tested
  const { control } = service.clickhouse
  const partner = await partnerFrom('2026-03')
  await client.registerProject('retired', partner.partnerId)
  await client.send({ event_id: 'e', project_id: 'retired', metric: 'ai_tokens', value: 4, timestamp: '2026-03-03T00:00:00Z' })
  expect((await client.closeMonth(partner.partnerId, '2026-03')).status).toBe(200)
  // As if that metric had had another name then, and had usage in April.
  await control.command("ALTER TABLE raw_usage_events_v1 UPDATE metric = 'retired_metric' WHERE project_id = 'retired' SETTINGS mutations_sync = 2")
  await control.command("INSERT INTO statement_lines_v1 SELECT * REPLACE ('retired_metric' AS metric) FROM statement_lines_v1 WHERE project_id = 'retired'")
  await control.command("DELETE FROM statement_lines_v1 WHERE project_id = 'retired' AND metric = 'ai_tokens'")
  await control.command(
    `ALTER TABLE statements_v1 UPDATE metrics = arrayMap(each -> if(each.1 = 'ai_tokens', CAST(('retired_metric', each.2, each.3), 'Tuple(metric String, kind String, unit String)'), each), metrics)
     WHERE partner_id = '${partner.partnerId}' SETTINGS mutations_sync = 2`,
  )
  await client.admin('POST', '/admin/v1/rebuilds', { month: '2026-03' })
  await control.command(
    `INSERT INTO raw_usage_events_v1
     SELECT * REPLACE ('april' AS event_id, usage_date + 31 AS usage_date, timestamp + toIntervalDay(31) AS timestamp, rank - 1 AS rank)
     FROM raw_usage_events_v1 WHERE project_id = 'retired'`,
  )
  const { body: march } = await client.statement(partner, '2026-03')
  expect(march.totals).toContainEqual({ metric: 'retired_metric', kind: 'cumulative', unit: 'token', value: '4', peak_day: null, unbilled: '0' })
  expect(march.projects).toMatchObject([{ metric: 'retired_metric', value: '4' }])
  expect((await client.statement(partner, '2026-04')).body).toMatchObject({ projects: [] })
  expect((await client.partnershipUsage(partner, '2026-03-01', '2026-04-30')).body.summary.ai_tokens).toBe('0')
  expect((await client.projectUsage(partner, 'retired', '2026-03-01', '2026-04-30')).body.summary.total_ai_tokens).toBe('0')
  expect((await client.closeMonth(partner.partnerId, '2026-04')).status).toBe(500)
  expect((await client.statement(partner, '2026-04')).body.statement.status).toBe('open')
})
