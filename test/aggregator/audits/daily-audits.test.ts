import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { AuditSlot } from '../../../aggregator/audits/audit-slot.ts'
import { DailyAudits } from '../../../aggregator/audits/daily-audits.ts'
import { countMissingIdentities, requestIndexing } from '../../../ingest/log/identity-index.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { addToRollup, deleteFromRollup, falsifyPartnershipDay } from '../../support/oracles/rollup-faults.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { untilServiceRefreshed } from '../../support/worlds/refreshed-days.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const DAYS = ['2026-01-31', '2026-02-01', '2026-02-02']
const PERIOD = '?from=2026-01-31&to=2026-02-28'
const running = new AbortController().signal

const directory = makeTemporaryDirectory()
let tested: TestService
let audits: DailyAudits
const identityIndex = {
  countMissing: () => countMissingIdentities(tested.service.clickhouse),
  requestIndexing: () => requestIndexing(tested.service.clickhouse),
}
let partner: Credentials
const errors: object[] = []
const messages: string[] = []
function note(details: object, message: string): void {
  errors.push(details)
  messages.push(message)
}
const logger = { info: () => {}, warn: () => {}, error: note }
beforeAll(async () => {
  // The service audits every minute, and what it finds first, the audits of these tests do not find again.
  tested = await startTestService({ DATA_DIR: directory.path, LOG_LEVEL: 'error' }, (line) => {
    const { msg, ...details } = JSON.parse(line)
    note(details, msg)
  })
  const { client, service } = tested
  audits = new DailyAudits({ clickhouse: service.clickhouse, slot: new AuditSlot(), runBetweenBatches: (work) => work(), identityIndex, logger, now: Date.now })
  partner = await client.createPartner('Daily')
  await client.registerProject('ours', partner.partnerId)
  await client.createIngestKey()
  await client.send(DAYS.flatMap((day) => [event('ours', 'a', 5, day), event('ours', 'b', 7, day), event('nobodys', 'a', 1, day)]))
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})
beforeEach(() => {
  errors.length = 0
})

function event(project: string, name: string, value: number, day: string) {
  return { event_id: `${project}-${name}-${day}`, project_id: project, metric: 'ai_tokens', value, timestamp: `${day}T00:00:00Z` }
}

/** Days that the service is computing again at this moment would be due only afterwards. */
async function runAudits(): Promise<void> {
  await untilServiceRefreshed(tested.service.clickhouse)
  await audits.run(running)
}

async function storedAudits(query = PERIOD) {
  return (await tested.client.admin('GET', `/admin/v1/audits${query}`)).body.audits
}

async function auditedAt(): Promise<Record<string, string>> {
  const stored: { usage_date: string; audited_at: string }[] = await storedAudits()
  return Object.fromEntries(stored.map(({ usage_date, audited_at }) => [usage_date, audited_at]))
}

test('P3: every finished day, but not today, gets a stored audit in which accepted, raw, rollup and partnership events agree', async () => {
  const today = new Date().toISOString().slice(0, 10)
  await tested.client.send([event('ours', 'now', 1, today)])
  const before = Date.now()
  await runAudits()
  expect(audits.completeMs).toBeGreaterThanOrEqual(before)
  const equal = { accepted_events: '3', raw_events: '3', rollup_events: '3', partnership_events: '2', differences: '0' }
  expect(await storedAudits('')).toMatchObject([...DAYS].reverse().map((usage_date) => ({ usage_date, ...equal })))
  expect(await storedAudits('?from=2026-02-01&limit=1')).toMatchObject([{ usage_date: '2026-02-02' }])
  expect(await storedAudits('?to=2026-01-31')).toMatchObject([{ usage_date: '2026-01-31' }])
  const { next_cursor } = (await tested.client.admin('GET', '/admin/v1/audits?limit=1')).body
  expect(await storedAudits(`?limit=1&cursor=${next_cursor}`)).toMatchObject([{ usage_date: [...DAYS].reverse()[1] }])
  expect((await tested.client.admin('GET', `/admin/v1/audits?from=2026-01-01&cursor=${next_cursor}`)).body.code).toBe('CURSOR_INVALID')
  expect((await tested.client.admin('GET', '/admin/v1/audits')).body.next_cursor).toBeNull()
  expect(audits.audited).toEqual({ differences: 0, lastDaySeconds: Date.parse('2026-02-02T00:00:00Z') / 1000 })
  expect(errors).toEqual([])
})

test('a list of audits with an unknown field, an invalid day, span or limit is rejected with 400, and without a token with 401', async () => {
  for (const query of ['?since=2026-01-01', '?from=2026-02-30', '?from=2026-02-02&to=2026-02-01', '?limit=0', '?limit=101'])
    expect((await tested.client.admin('GET', `/admin/v1/audits${query}`)).status).toBe(400)
  expect((await tested.client.call('GET', '/admin/v1/audits')).status).toBe(401)
})

test('P3: registering a project has the days on which it has usage audited again', async () => {
  await tested.client.registerProject('nobodys', partner.partnerId)
  await runAudits()
  expect((await storedAudits()).map((day: { partnership_events: string }) => day.partnership_events)).toEqual(['3', '3', '3'])
})

test('P3: usage that arrives after an audit has its day audited again, and no other day', async () => {
  await runAudits()
  const before = await auditedAt()
  await runAudits()
  expect(await auditedAt()).toEqual(before)
  await tested.client.send([event('ours', 'late', 3, '2026-02-01')])
  await runAudits()
  const after = await auditedAt()
  expect(DAYS.filter((day) => after[day] !== before[day])).toEqual(['2026-02-01'])
  expect((await storedAudits())[1]).toMatchObject({ raw_events: '4', rollup_events: '4', partnership_events: '4', differences: '0' })
  expect(errors).toEqual([])
})

test('P3: usage missing from the rollup is found automatically, logged, repaired, and audited again with 0 differences', async () => {
  await deleteFromRollup(tested.service.clickhouse, { project: 'ours', day: '2026-02-02', metric: 'ai_tokens' })
  await tested.client.send([event('other', 'late', 1, '2026-02-02')])
  await runAudits()
  expect((await storedAudits())[0]).toMatchObject({ usage_date: '2026-02-02', raw_events: '4', rollup_events: '2', differences: '4' })
  // The key in the rollup, the partner's day that was computed from it, and two of the counts.
  expect(audits.audited?.differences).toBe(4)
  expect(errors).toMatchObject([{ usage_date: '2026-02-02', differences: 4, rollup: [{ project_id: 'ours', raw_total: '12', rollup_total: '0' }] }])
  await untilSo(async () => (await compareRawWithRollup(tested.service.clickhouse)).behind === 0)
  await runAudits()
  expect((await storedAudits())[0]).toMatchObject({ rollup_events: '4', partnership_events: '3', differences: '0' })
  expect(audits.audited?.differences).toBe(0)
})

test('P3: the daily audit finds a wrong partnership day and an event that counts twice', async () => {
  const { clickhouse } = tested.service
  const due = (name: string) => tested.client.send([event(`due-${name}`, 'e', 1, '2026-01-31')])
  await due('1')
  await untilSo(async () => {
    await runAudits()
    return (await storedAudits())[2].raw_events === '4'
  })
  await falsifyPartnershipDay(clickhouse, { partnerId: partner.partnerId, day: '2026-01-31', metric: 'ai_tokens' })
  // A change would make the day due, but would also have its row computed again. So it is made due as if it had never been audited.
  await clickhouse.control.command(`ALTER TABLE day_audits_v1 DELETE WHERE usage_date = '2026-01-31' SETTINGS mutations_sync = 2`)
  await runAudits()
  expect(errors).toMatchObject([{ usage_date: '2026-01-31', rollup: [], partnership: [{ metric: 'ai_tokens', raw_value: '13', kept_value: '14' }] }])
  await runAudits()
  expect((await storedAudits())[2]).toMatchObject({ usage_date: '2026-01-31', differences: '0' })

  await clickhouse.control.command(
    `INSERT INTO raw_usage_events_v1 SETTINGS async_insert = 0
     SELECT * REPLACE (rank - 1000 AS rank) FROM raw_usage_events_v1
     WHERE project_id = 'ours' AND event_id = 'ours-a-2026-01-31'`,
  )
  await runAudits()
  // One identity at two positions, and the rollup holds both: differences of (project, day, metric), of two counts, and of the partner's day.
  expect((await storedAudits())[2]).toMatchObject({ accepted_events: '5', raw_events: '4', rollup_events: '5', partnership_events: '4', differences: '5' })
})

test('P2: an index of identities that lost rows is logged as an error', async () => {
  await runAudits()
  const isLogged = () => messages.some((message) => message.startsWith('the index of identities has fewer rows than raw'))
  expect(isLogged()).toBe(false)
  await tested.service.clickhouse.control.command('TRUNCATE TABLE identity_hashes_v1')
  await runAudits()
  await untilSo(async () => isLogged())
})

test('P3: a day that waits for its audit is not starved by newer days that change all the time', async () => {
  const { clickhouse } = tested.service
  const few = new DailyAudits({
    clickhouse,
    slot: new AuditSlot(),
    runBetweenBatches: (work) => work(),
    identityIndex,
    logger,
    now: Date.now,
    daysPerRunMax: 1,
  })
  const change = (day: string, name: string) => tested.client.send([event('noisy', name, 1, day)])
  await runAudits()
  const before = await auditedAt()
  await change('2026-01-31', 'waits')
  for (const round of [1, 2, 3]) {
    await change('2026-02-02', `noise-${round}`)
    await few.run(running)
  }
  expect((await auditedAt())['2026-01-31']).not.toBe(before['2026-01-31'])
  expect([few.completeMs, audits.completeMs], 'a run that was full does not know whether more days are due').toEqual([undefined, expect.any(Number)])
})

test('P3: the metric of audit differences counts those of all days, also after a restart', async () => {
  await addToRollup(tested.service.clickhouse, { project: 'ours', day: '2026-02-01', metric: 'ai_tokens' }, 4)
  await runAudits()
  expect(audits.audited?.differences).toBeGreaterThan(0)
  const { dataDir: DATA_DIR } = tested
  await tested.stop()
  tested = await startTestService({ DATA_DIR })
  const metrics = async () => (await fetch(`${tested.service.url}/metrics`)).text()
  await untilSo(async () => (await metrics()).includes('meterline_audit_last_day_seconds 1769990400'))
  const stored: { differences: string }[] = await storedAudits('')
  const differences = stored.reduce((sum, day) => sum + Number(day.differences), 0)
  expect(differences).toBeGreaterThan(0)
  expect(await metrics()).toContain(`meterline_audit_differences ${differences}\n`)
  expect(await metrics()).toMatch(/^meterline_audit_complete_seconds 1\d{9}/m)
})

test('the free space of the disk of the store is a metric', async () => {
  const metrics = async () => (await fetch(`${tested.service.url}/metrics`)).text()
  await untilSo(async () => /^meterline_disk_free_bytes\{disk="default"\} [1-9]/m.test(await metrics()))
  expect(await metrics()).toMatch(/^meterline_disk_bytes\{disk="default"\} [1-9]/m)
})
