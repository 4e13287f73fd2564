import { afterAll, beforeAll, expect, test } from 'vitest'
import { dayOf, MS_PER_DAY } from '../../../metering/timestamp.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { makeSpikes } from '../../support/worlds/make-spikes.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let ours: Credentials
let theirs: Credentials
let day: string
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  await client.admin('PUT', '/admin/v1/metrics/images', { kind: 'cumulative', unit: 'image', description: 'Images.' })
  ours = await client.createPartner('Ours')
  theirs = await client.createPartner('Theirs')
  for (const project of ['b-up', 'a-down']) await client.registerProject(project, ours.partnerId)
  await client.registerProject('their-own', theirs.partnerId)
  day = await makeSpikes(tested, { 'b-up': '987654321987654321.000000001', 'a-down': '0', 'their-own': '800000' })
})
afterAll(() => tested.stop())

const list = async (query = '') => (await tested.client.admin('GET', `/admin/v1/spikes${query}`)).body
const listOwn = async (query = '', partner = ours) => (await tested.client.partner(partner, 'GET', `/spikes${query}`)).body
const projectsOf = ({ spikes }: { spikes: { project_id: string }[] }) => spikes.map(({ project_id }) => project_id)

test('a spike has the value of its day, all its digits, its direction, and the numbers by which it was judged', async () => {
  const { spikes, next_cursor } = await listOwn()
  expect(next_cursor).toBeNull()
  expect(spikes[1]).toEqual({
    ...{ message_id: expect.stringMatching(/^msg_[0-9a-f]{32}$/), at: expect.stringMatching(/Z$/), as_of: expect.stringMatching(/Z$/) },
    ...{ project_id: 'b-up', partner_id: ours.partnerId, metric: 'ai_tokens', unit: 'token', day, direction: 'up' },
    ...{ value: '987654321987654321.000000001', median: '200004.5', median_absolute_deviation: '2', deviations_min: '5', floor: '100000' },
    same_weekdays: ['200001', '200002', '200003', '200004', '200005', '200006', '200007', '200008'],
  })
  expect(spikes[0]).toMatchObject({ project_id: 'a-down', direction: 'down', value: '0' })
})

test('P5: a partner gets the spikes of its own projects, and those of another partner look like none', async () => {
  expect(projectsOf(await listOwn())).toEqual(['a-down', 'b-up'])
  expect(projectsOf(await listOwn('', theirs))).toEqual(['their-own'])
  for (const project of ['their-own', 'unknown']) expect((await listOwn(`?project_id=${project}`)).code).toBe('PROJECT_NOT_FOUND')
  const { next_cursor } = await listOwn('?limit=1')
  expect((await listOwn(`?limit=1&cursor=${next_cursor}`, theirs)).code).toBe('CURSOR_INVALID')
})

test('operators and finance get those of all partners, or of one partner, project, metric and period', async () => {
  const all = ['a-down', 'b-up', 'their-own']
  const before = dayOf(Date.parse(day) - MS_PER_DAY)
  const after = dayOf(Date.parse(day) + MS_PER_DAY)
  const expected = [
    ['', all],
    [`?partner_id=${theirs.partnerId}`, ['their-own']],
    ['?project_id=b-up', ['b-up']],
    [`?project_id=b-up&partner_id=${theirs.partnerId}`, []],
    ['?metric=ai_tokens', all],
    ['?metric=egress_bytes', []],
    ['?metric=images', []],
    [`?from=${day}&to=${day}`, all],
    [`?from=${after}`, []],
    [`?to=${before}`, []],
  ] as const
  for (const [query, projects] of expected) expect([query, projectsOf(await list(query))]).toEqual([query, projects])
})

test.each([
  ['?metric=none', 'query.metric'],
  ['?metric=none', 'GET …/metrics'],
  ['?metric=No-name', 'query.metric'],
  ['?from=2026-02-30', 'query.from'],
  ['?to=yesterday', 'query.to'],
  ['?from=2026-02-02&to=2026-02-01', 'query.from'],
  ['?limit=101', 'query.limit'],
  ['?partner=ps_1', 'partner'],
])('a mistake in %s names the field', async (query, field) => {
  for (const answer of [await list(query), await listOwn(query)]) {
    expect(answer.code).toBe('INVALID_REQUEST')
    expect(answer.message).toContain(field)
  }
})

test('unknown partners and projects are not found', async () => {
  expect((await list('?partner_id=ps_unknown')).code).toBe('PARTNER_NOT_FOUND')
  expect((await list('?project_id=unknown')).code).toBe('PROJECT_NOT_FOUND')
})
