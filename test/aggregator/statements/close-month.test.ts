import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { defineQuery } from '../../../sql/query.ts'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  partner = await client.createPartner('Hand & Co')
  await untilSo(async () => (await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.as_of !== null)
})
afterAll(() => tested.stop())

const at = (project_id: string, event_id: string, metric: string, value: string | number, timestamp: string): TestEvent => ({
  event_id,
  project_id,
  metric,
  value,
  timestamp,
})
const size = 'database_size_bytes'

/** Each line as one text, so that it takes one row in the test. */
const projectRows = (body: { projects: Record<string, string>[] }) =>
  body.projects.map((line) =>
    [line['project_id'], line['status'], line['metric'], line['value'], line['own_max'], line['own_max_day'], line['events']].join(' '),
  )
const adjustmentRows = (body: { adjustments: Record<string, string>[] }) =>
  body.adjustments.map((line) => [line['kind'], line['for_month'], line['project_id'], line['metric'], line['value']].join(' '))
const totalOf = (body: { totals: Record<string, string>[] }, metric: string) => body.totals.find((total) => total['metric'] === metric)
const withoutUnbilled = (text: string) => text.replaceAll(/,"unbilled":-?[\d.]+/g, '')

test('P4: a month of three projects is closed and later corrected as computed by hand, and its closed bytes never change', async () => {
  const { client } = tested
  expect((await client.billFrom(partner.partnerId, '2026-03')).status).toBe(200)
  for (const id of ['ant', 'bee']) await client.registerProject(id, partner.partnerId)
  await client.registerProject('dog', partner.partnerId, { status: 'deleted', deleted_at: '2026-03-12T10:00:00Z' })
  await client.send([
    // Database bytes, by day:       ant   bee   dog    together
    //   3 March                     700   100    50         850   (ant's own greatest day)
    //   4 March                     600   350    60        1010   <- the partner's peak day, but no project's own
    //   5 March                                  90          90   (dog's own greatest day)
    //  20 March                     500   400               900   (bee's own greatest day)
    at('ant', 'a3', size, 700, '2026-03-03T08:00:00Z'),
    at('bee', 'b3', size, 100, '2026-03-03T09:00:00Z'),
    at('dog', 'd3', size, 50, '2026-03-03T10:00:00Z'),
    at('ant', 'a4', size, 600, '2026-03-04T08:00:00Z'),
    at('bee', 'b4', size, 350, '2026-03-04T09:00:00Z'),
    at('dog', 'd4', size, 60, '2026-03-04T10:00:00Z'),
    at('dog', 'd5', size, 90, '2026-03-05T10:00:00Z'),
    at('ant', 'a20', size, 500, '2026-03-20T08:00:00Z'),
    at('bee', 'b20', size, 400, '2026-03-20T09:00:00Z'),
    // Tokens: ant 10 + 5 (the last second of the month), bee 1000.5, dog 7 on the day before it was deleted: 1022.5.
    at('ant', 't1', 'ai_tokens', 10, '2026-03-03T08:00:00Z'),
    at('ant', 't2', 'ai_tokens', 5, '2026-03-31T23:59:59.999Z'),
    at('bee', 't1', 'ai_tokens', '1000.5', '2026-03-20T08:00:00Z'),
    at('dog', 't1', 'ai_tokens', 7, '2026-03-11T08:00:00Z'),
    // April begins: 1 token.
    at('ant', 't3', 'ai_tokens', 1, '2026-04-01T00:00:00Z'),
    // From before the partner's first billed month: it counts as usage, but is never on a statement.
    at('ant', 'old', 'ai_tokens', 999_999, '2025-06-15T00:00:00Z'),
  ])

  const march = await client.closeMonth(partner.partnerId, '2026-03')
  expect(march.body).toMatchObject({ statement: { month: '2026-03', status: 'closed' }, adjustments: [] })
  expect(totalOf(march.body, size)).toEqual({ metric: size, kind: 'peak', unit: 'byte', value: '1010', peak_day: '2026-03-04' })
  expect(totalOf(march.body, 'ai_tokens')).toEqual({ metric: 'ai_tokens', kind: 'cumulative', unit: 'token', value: '1022.5', peak_day: null })
  // For a peak, each line is the project's value on the partner's peak day: 600 + 350 + 60 = 1010.
  expect(projectRows(march.body)).toEqual([
    'ant active ai_tokens 15   2',
    'ant active database_size_bytes 600 700 2026-03-03 3',
    'bee active ai_tokens 1000.5   1',
    'bee active database_size_bytes 350 400 2026-03-20 3',
    'dog deleted ai_tokens 7   1',
    'dog deleted database_size_bytes 60 90 2026-03-05 3',
  ])
  expect(march.body.projects[5].deleted_at).toBe('2026-03-12T10:00:00.000Z')
  const asClosed = await client.statement(partner, '2026-03')
  expect(withoutUnbilled(asClosed.text)).toBe(march.text)

  // After the closing, 1000 bytes of ant arrive for the 20th, which makes that day 1000 + 400, and a project is registered that has
  // 25 bytes on the 20th and 3 tokens on the 15th. So the peak moves to the 20th and is 1425.
  await client.send([
    at('ant', 'late', size, 1000, '2026-03-20T12:00:00Z'),
    at('eel', 'e1', size, 25, '2026-03-20T12:00:00Z'),
    at('eel', 'e2', 'ai_tokens', 3, '2026-03-15T12:00:00Z'),
  ])
  await client.registerProject('eel', partner.partnerId)
  const manual = { for_month: '2026-03', project_id: 'bee', metric: 'ai_tokens', value: '-2.5', reason: 'bee counted a retry' }
  expect((await client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, manual)).status).toBe(201)
  const between = await client.statement(partner, '2026-03')
  expect(withoutUnbilled(between.text)).toBe(march.text)
  expect([totalOf(between.body, size)?.['unbilled'], totalOf(between.body, 'ai_tokens')?.['unbilled']]).toEqual(['415', '3'])
  expect((await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body).toMatchObject({
    billing_status: 'provisional',
    summary: { database_bytes: '1425', ai_tokens: '1025.5' },
  })
  // The open statement of April shows the pending corrections.
  expect(adjustmentRows((await client.statement(partner, '2026-04')).body)).toEqual([
    'adjustment 2026-03  database_size_bytes 415',
    'adjustment 2026-03  ai_tokens 3',
    'manual 2026-03 bee ai_tokens -2.5',
  ])

  const april = await client.closeMonth(partner.partnerId, '2026-04')
  expect(projectRows(april.body)).toEqual(['ant active ai_tokens 1   1'])
  // On the new peak day, the 20th: ant 1000 - 600, bee 400 - 350, dog 0 - 60, eel 25: together 415 = 1425 - 1010.
  expect(adjustmentRows(april.body)).toEqual([
    'adjustment 2026-03 ant database_size_bytes 400',
    'adjustment 2026-03 bee database_size_bytes 50',
    'adjustment 2026-03 dog database_size_bytes -60',
    'adjustment 2026-03 eel ai_tokens 3',
    'adjustment 2026-03 eel database_size_bytes 25',
    'manual 2026-03 bee ai_tokens -2.5',
  ])
  expect(totalOf(april.body, 'ai_tokens')?.['value']).toBe('1')

  // Everything is billed, and no byte of March has changed.
  const after = await client.statement(partner, '2026-03')
  expect(after.text).toBe(asClosed.text)
  expect((await client.closeMonth(partner.partnerId, '2026-03')).text).toBe(march.text)
  expect((await client.closeMonth(partner.partnerId, '2026-04')).text).toBe(april.text)
  expect((await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.billing_status).toBe('final')
  // Before billing_from there is usage but no statement. A manual line is on one statement only.
  expect((await client.partnershipUsage(partner, '2025-06-01', '2025-06-30')).body).toMatchObject({
    summary: { ai_tokens: '999999' },
    billing_status: 'provisional',
  })
  expect((await client.statement(partner, '2025-06')).status).toBe(404)
  const may = await client.closeMonth(partner.partnerId, '2026-05')
  expect([may.body.projects, may.body.adjustments]).toEqual([[], []])
})

test('P4: of two days with the same greatest sum the earlier is the peak day, and an unusual project name breaks no line', async () => {
  const { client } = tested
  const tied = await client.createPartner('Tied')
  await client.billFrom(tied.partnerId, '2026-03')
  await client.registerProject('tie-a', tied.partnerId, { name: '="a"\\ ,\u2028 b' })
  await client.registerProject('tie-b', tied.partnerId)
  await client.send([
    // 60 + 40 on the 9th, 30 + 70 on the 5th, 50 on the 1st: 100 twice, and the 5th is earlier.
    at('tie-a', '1', size, 60, '2026-03-09T00:00:00Z'),
    at('tie-b', '1', size, 40, '2026-03-09T00:00:00Z'),
    at('tie-a', '2', size, 30, '2026-03-05T00:00:00Z'),
    at('tie-b', '2', size, 70, '2026-03-05T00:00:00Z'),
    at('tie-a', '3', size, 50, '2026-03-01T00:00:00Z'),
  ])
  const open = (await client.statement(tied, '2026-03')).body
  const closed = (await client.closeMonth(tied.partnerId, '2026-03')).body
  expect(totalOf(closed, size)).toMatchObject({ value: '100', peak_day: '2026-03-05' })
  expect(projectRows(closed)).toEqual(['tie-a active database_size_bytes 30 60 2026-03-09 3', 'tie-b active database_size_bytes 70 70 2026-03-05 2'])
  expect(projectRows(open)).toEqual(projectRows(closed))
  expect(closed.projects[0].name).toBe('="a"\\ ,\u2028 b')
})

test('P4: late events of another partner do not make a closing recount a month, and recounts of corrected months are kept', async () => {
  const { client } = tested
  const ours = await client.createPartner('Ours')
  const theirs = await client.createPartner('Theirs')
  for (const [id, owner] of [
    ['our-project', ours],
    ['their-project', theirs],
  ] as const) {
    await client.registerProject(id, owner.partnerId)
    await client.billFrom(owner.partnerId, '2026-01')
  }
  const months = ['2026-01', '2026-02', '2026-03', '2026-04']
  await client.send(months.map((month) => at('our-project', month, 'ai_tokens', 1, `${month}-03T00:00:00Z`)))
  for (const [index, month] of months.entries()) {
    await client.send(months.slice(0, index).map((closed) => at('their-project', `${closed}-${month}`, 'ai_tokens', 1, `${closed}-03T00:00:00Z`)))
    expect((await client.closeMonth(ours.partnerId, month)).body).toMatchObject({ adjustments: [] })
    expect(await recountedMonths(ours)).toEqual(months.slice(0, index + 1))
  }
  await client.send(months.slice(0, 2).map((month) => at('our-project', `late-${month}`, 'ai_tokens', 2, `${month}-04T00:00:00Z`)))
  const may = (await client.closeMonth(ours.partnerId, '2026-05')).body
  expect(adjustmentRows(may)).toEqual(['adjustment 2026-01 our-project ai_tokens 2', 'adjustment 2026-02 our-project ai_tokens 2'])
  // The recounts of the two corrected months stay, because their byte-days are the correction; the next closing need not recount any of them.
  expect((await client.closeMonth(ours.partnerId, '2026-06')).body).toMatchObject({ adjustments: [] })
  expect(await recountedMonths(ours)).toEqual([...months, '2026-01', '2026-02'].sort())
  expect((await client.statement(ours, '2026-05')).body).toMatchObject({ adjustments: may.adjustments })
})

async function recountedMonths({ partnerId }: Credentials): Promise<string[]> {
  const rows = await tested.service.clickhouse.reads.query(recounts, { partnerId })
  return rows.map(({ month }) => month)
}

const recounts = defineQuery({
  name: 'test_recounts',
  sql: 'SELECT month FROM statement_recounts_v1 WHERE partner_id = {partnerId: String} ORDER BY month',
  params: z.object({ partnerId: z.string() }),
  row: z.object({ month: z.string() }),
})
