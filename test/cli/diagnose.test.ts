import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { storeDayAudits } from '../../aggregator/audits/day-audits.ts'
import { connectWith } from '../../cli/connection/connect.ts'
import { findInAutomation } from '../../cli/diagnose/find-in-automation.ts'
import { findInBilling } from '../../cli/diagnose/find-in-billing.ts'
import { findInIngest } from '../../cli/diagnose/find-in-ingest.ts'
import { findInProcess } from '../../cli/diagnose/find-in-process.ts'
import type { Finding } from '../../cli/diagnose/finding.ts'
import { overviewLines } from '../../cli/diagnose/print-report.ts'
import { readState, type State } from '../../cli/diagnose/read-state.ts'
import { GET_HEALTH_REPORT } from '../../contract/health-report.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import { runHere } from '../support/clients/run-here.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let admin: Record<string, string>
let healthy: State
const connection = () => connectWith({ url: tested.service.url, secret: tested.service.adminToken, source: 'the test' }, {})
beforeAll(async () => {
  tested = await startTestService({ LOG_LEVEL: 'info' }, () => undefined)
  admin = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  // On a busy machine a service that has just started answers 503 for a moment.
  await untilSo(async () => {
    const state = await readState(connection(), '24h').catch(() => undefined)
    if (state !== undefined) healthy = state
    return state?.unread.length === 0
  })
})
afterAll(() => tested.stop())

/** The disk of the machine that runs the test may be nearly full. */
const all = (state: State) =>
  [...findInIngest(state), ...findInBilling(state), ...findInAutomation(state), ...findInProcess(state)].filter(({ id }) => id !== 'disk_full')

/** A state that differs from the healthy one in a part of the report. */
function changed(change: (report: State['report']) => Partial<State['report']>, rest: Partial<State> = {}): State {
  return { ...healthy, ...rest, report: { ...healthy.report, ...change(healthy.report) } }
}

const log = (fields: object) => changed(({ ingesting }) => ({ ingesting: { ...ingesting, logs: ingesting.logs.map((each) => ({ ...each, ...fields })) } }))
const background = (fields: object) => changed(({ background: jobs }) => ({ background: { work: [], audits: null, months: null, ...jobs, ...fields } }))
const ago = (ms: number) => new Date(healthy.nowMs - ms).toISOString()
const HOUR = 3_600_000
const automation = (fields: object) => changed((report) => ({ automation: { ...report.automation, ...fields } }))
const schedule = (fields: object) =>
  automation({
    schedules: { total: 1, problems: [{ id: 'sch_1', name: 'month', action: 'call', overdue_since: null, failed_at: null, message: null, ...fields }] },
  })
const webhook = (fields: object) =>
  automation({
    webhooks: {
      total: 1,
      problems: [
        {
          ...{ id: 'wh_1', set_by: null, disabled_reason: null, disabled_at: null, failing_since: null, pending: 2, oldest_pending_at: ago(0) },
          ...fields,
        },
      ],
    },
  })
const STOPPED = { log: 'http', incident: 'log_overwritten', since: '2026-01-01T00:00:00Z', message: 'To continue, run "meterline log reset".' }
const WORK = { name: 'audits', every_seconds: 60, runs: 3 }
const MONTHS = { overdue: 0, unconfirmed: 0, negative_adjustments: 0, clock_disagreement: null }
const KEY = { id: 'k', name: 'gateway', prefix: 'mli_', last_four: 'abcd', partner_ids: [], revoked_at: null, last_used_at: null }

describe('findings', () => {
  test('a new service has none', () => {
    expect(all(healthy)).toEqual([])
  })

  test.each<[string, () => State, Finding['severity'], RegExp]>([
    ['not_ready', () => changed(() => ({ readiness: { ready: false, reason: 'no lease', warnings: [] } })), 'critical', /logs ingest/],
    ['service_warning', () => changed(() => ({ readiness: { ready: true, reason: null, warnings: ['No month.'] } })), 'warning', /logs/],
    ['kafka_unreachable', () => changed(({ ingesting }) => ({ ingesting: { ...ingesting, kafka_trouble: true } })), 'critical', /brokers/],
    ['log_incident', () => log({ incident: 'log_overwritten' }), 'critical', /log reset http/],
    ['log_incident', () => log({ incident: 'partition_count_changed', owned: false }), 'critical', /log repartition/],
    ['log_incident', () => automation({ stopped_logs: [STOPPED] }), 'critical', /log reset http/],
    ['schedule_overdue', () => schedule({ overdue_since: ago(16 * 60_000) }), 'warning', /meterline aggregate.*schedules logs sch_1/],
    ['schedule_failed', () => schedule({ failed_at: ago(0), message: 'Answered 500.' }), 'warning', /schedules logs sch_1.*schedules run sch_1/],
    ['webhook_disabled', () => webhook({ disabled_reason: 'failing', disabled_at: ago(0) }), 'warning', /webhooks enable wh_1/],
    ['webhook_failing', () => webhook({ failing_since: ago(0) }), 'warning', /webhooks deliveries wh_1/],
    ['webhook_failing', () => webhook({ failing_since: ago(0), set_by: 'ps_1' }), 'info', /webhooks deliveries wh_1/],
    ['messages_waiting', () => webhook({ oldest_pending_at: ago(HOUR + 1) }), 'warning', /MASTER_KEY/],
    ['thresholds_not_evaluated', () => automation({ thresholds: { active: 3, evaluated_at: ago(6 * 60_000) } }), 'warning', /logs automation/],
    ['lag', () => log({ lag_events: 10_001 }), 'warning', /diagnose metrics/],
    ['batch_stuck', () => log({ batch_in_flight_seconds: 61 }), 'warning', /diagnose db/],
    ['open_transaction', () => log({ open_transaction_seconds: 301 }), 'warning', /kafka-transactions/],
    ['filter_full', () => log({ filter_full: true }), 'warning', /ingest/],
    [
      'watermark_old',
      () => ({
        ...healthy,
        source: { source: 'http', in_force: true, since: null, configured: 'http', logs: [{ log: 'http', settled_through: 3, as_of: ago(11 * 60_000) }] },
      }),
      'critical',
      /logs ingest/,
    ],
    [
      'source_switch_open',
      () => ({ ...healthy, source: { source: 'http', in_force: false, since: null, configured: 'http', logs: [] } }),
      'critical',
      /log source use/,
    ],
    [
      'other_source_in_force',
      () => ({ ...healthy, source: { source: 'kafka/t', in_force: true, since: null, configured: 'http', logs: [] } }),
      'critical',
      /log source use/,
    ],
    [
      'audit_evidence_old',
      () =>
        changed(({ background: jobs }) => ({
          background: jobs && { ...jobs, audits: { differences: 0, last_day: '2026-01-01', complete_at: ago(27 * HOUR) } },
        })),
      'warning',
      /logs audit/,
    ],
    ['audit_differences', () => background({ audits: { differences: 2, last_day: '2026-01-01', complete_at: ago(0) } }), 'critical', /meterline audit/],
    ['months_due', () => background({ months: { ...MONTHS, overdue: 1 } }), 'warning', /meterline close/],
    ['months_unconfirmed', () => background({ months: { ...MONTHS, overdue: 1, unconfirmed: 1 } }), 'warning', /meterline close/],
    ['clocks_disagree', () => background({ months: { ...MONTHS, clock_disagreement: 'The clock was set back.' } }), 'critical', /clock/],
    ['negative_adjustments', () => background({ months: { ...MONTHS, negative_adjustments: 1 } }), 'critical', /explain/],
    ['work_fails', () => background({ work: [{ ...WORK, failures: 2, last_success_at: ago(HOUR) }] }), 'warning', /logs --level error/],
    [
      'signing_key_old',
      () => ({
        ...healthy,
        signingKeys: [{ kid: 'k', created_at: ago(91 * MS_PER_DAY), signs_from: ago(91 * MS_PER_DAY), withdrawn_at: null, state: 'signing' }],
      }),
      'warning',
      /keys rotate/,
    ],
    ['ingest_keys_unused', () => ({ ...healthy, ingestKeys: [{ ...KEY, created_at: ago(91 * MS_PER_DAY) }] }), 'info', /ingest-keys/],
    ['ingest_keys_old', () => ({ ...healthy, ingestKeys: [{ ...KEY, created_at: ago(400 * MS_PER_DAY), last_used_at: ago(0) }] }), 'info', /new key/],
    ['unreadable', () => ({ ...healthy, unread: [{ part: 'the audits', message: 'too much' }] }), 'critical', /logs/],
  ])('%s has its severity, its cause and the next step', (id, state, severity, next) => {
    const found = all(state())
    expect(found.map((finding) => [finding.id, finding.severity])).toEqual([[id, severity]])
    expect(found[0]).toMatchObject({ next: expect.stringMatching(next), cause: expect.stringMatching(/.{5}/), what: expect.stringMatching(/.{5}/) })
  })

  test('what is due in time, known already, done on purpose or done elsewhere is no finding', () => {
    const { ingesting } = log({ incident: 'log_overwritten' }).report
    const states = [
      schedule({ overdue_since: ago(60_000) }),
      webhook({}),
      automation({ thresholds: { active: 0, evaluated_at: ago(HOUR) } }),
      changed((report) => ({ background: null, automation: { ...report.automation, thresholds: { active: 3, evaluated_at: null } } })),
      background({ work: [{ ...WORK, every_seconds: 3_600, failures: 1, last_success_at: ago(HOUR) }] }),
    ]
    expect(states.map((state) => all(state).map(({ id }) => id))).toEqual(states.map(() => []))
    const twice = changed((report) => ({ ingesting, automation: { ...report.automation, stopped_logs: [STOPPED] } }))
    expect(all(twice).map(({ id }) => id)).toEqual(['log_incident'])
  })

  test.each([
    [16, undefined],
    [14, 'warning'],
    [4, 'critical'],
  ])('a disk with %i percent left is %s', (percent, severity) => {
    const disks = [{ name: 'default', free_bytes: percent, total_bytes: 100 }]
    expect(findInProcess(changed(({ database }) => ({ database: { ...database, disks } }))).find(({ id }) => id === 'disk_full')?.severity).toBe(severity)
  })
})

test('the line of the months says whether this process will ever know, and from when on', () => {
  const lineOf = (state: State) => overviewLines(state).find((line) => line.startsWith('months'))
  const startedMs = Date.parse(healthy.report.process.started_at)
  expect(lineOf(background({ months: null }))).toBe(
    `months       not known yet: due months are closed from ${new Date(startedMs + 15 * 60_000).toISOString()} on, 15 minutes after the start`,
  )
  const later = { ...background({ months: null }), nowMs: startedMs + HOUR }
  expect(lineOf(later)).toMatch(/not known yet: the first run has not ended$/)
  const failing = { ...background({ months: null, work: [{ ...WORK, name: 'closings', failures: 1, last_success_at: null }] }), nowMs: startedMs + HOUR }
  expect(lineOf(failing)).toMatch(/not known: the job closings failed 1 time /)
  // An API process never closes a month, however long it runs.
  const elsewhere = changed(({ process }) => ({ background: null, process: { ...process, part: 'api' } }))
  expect(lineOf(elsewhere)).toMatch(/not known here: this process is of the part api\. Ask .* "meterline aggregate"$/)
  expect(overviewLines(elsewhere).find((line) => line.startsWith('audits'))).toMatch(/not known here/)
  expect(lineOf(background({ months: { ...MONTHS, overdue: 1 } }))).toBe('months       1 partner with a due month')
})

describe('the command "diagnose"', () => {
  test('of a new service prints the state of each part', async () => {
    const { stdout } = await runHere(['diagnose'], admin)
    expect(stdout).toMatch(/^process +\d+ on .*part all/m)
    expect(stdout).toMatch(/^events +accepted; 0 counted \(of the last 62 days\) and 0 rejected in the last 24h$/m)
    expect(await runHere(['diagnose', 'advisor', '--category', 'billing'], admin)).toEqual({ code: 0, stdout: 'No finding.\n', stderr: '' })
  })

  test('finds unregistered usage, rejected events, silent emitters and differences, and exits with 1', async () => {
    const { client } = tested
    const partner = await client.createPartner('Ours')
    await client.registerProject('shop-1', partner.partnerId)
    await client.createIngestKey()
    const now = Date.now()
    const event = (project_id: string, day: number, metric = 'ai_tokens') => ({
      ...{ event_id: `${project_id}-${day}-${metric}`, project_id, metric, value: '1', timestamp: `${dayOf(now - day * MS_PER_DAY)}T00:00:00Z` },
    })
    const silent = Array.from({ length: 8 }, (_, index) => event('shop-1', index + 2))
    await client.send([...silent, event('Shop-1', 0), event('shop-1', 1, 'unknown')])
    const audit = { changes: 0, accepted_events: '2', raw_events: '1', rollup_events: '1', partnership_events: '1', differences: 1 }
    await storeDayAudits(tested.service.clickhouse, [{ ...audit, usage_date: '2026-01-05', audited_ms: now, as_of_ms: now }])

    const { code, stdout, stderr } = await runHere(['--json', 'diagnose'], admin)
    expect(code).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({ code: 'FINDINGS' })
    const { ok, findings, report } = JSON.parse(stdout) as { ok: boolean; findings: Finding[]; report: { activity: { rejected: unknown } } }
    expect(ok).toBe(false)
    const of = (wanted: string) => findings.find(({ id }) => id === wanted)
    expect(of('unregistered_projects')).toMatchObject({
      severity: 'critical',
      what: expect.stringContaining('Shop-1 (like shop-1)'),
      cause: expect.stringContaining('1 event '),
    })
    expect(of('events_rejected')).toMatchObject({ severity: 'warning', cause: expect.stringContaining('unknown_metric: 1') })
    expect(of('silent_emitters')).toMatchObject({ what: expect.stringContaining(`shop-1 (ai_tokens, last on ${dayOf(now - 2 * MS_PER_DAY)})`) })
    expect(of('audit_differences')).toMatchObject({ severity: 'critical', next: 'meterline audit --from 2026-01-05 --to 2026-01-05' })
    expect(report.activity.rejected).toEqual([{ reason: 'unknown_metric', events: 1 }])

    const critical = await runHere(['diagnose', 'advisor', '--severity', 'critical', '--category', 'billing'], { ...admin, CLICOLOR_FORCE: '1' })
    expect(critical.code).toBe(1)
    expect(critical.stdout).toContain(
      '\u001b[31mCRITICAL\u001b[39m billing: 1 project with usage is not registered: Shop-1 (like shop-1).\n  cause: No partner',
    )
    expect(critical.stdout).not.toContain('WARNING')
    expect(critical.stderr).toBe('error: 2 findings need a person.\n')
  })

  test('metrics counts the events of each interval of the range, and db names disks and tables', async () => {
    for (const [range, intervals] of [
      ['1h', 12],
      ['6h', 12],
      ['24h', 24],
      ['7d', 28],
    ] as const) {
      const { stdout } = await runHere(['--json', 'diagnose', 'metrics', '--range', range], admin)
      const { activity } = GET_HEALTH_REPORT.answers[200].parse(JSON.parse(stdout))
      const received = activity.counted.reduce((sum, { events }) => sum + events, 0)
      expect([range, activity.counted.length, received]).toEqual([range, intervals, 9])
    }
    expect((await runHere(['diagnose', 'metrics'], admin)).stdout).toMatch(/^Events counted in the last 24h \(of the last 62 days\): 9 /m)
    const { stdout } = await runHere(['diagnose', 'db'], admin)
    expect(stdout).toMatch(/│ raw_usage_events_v1 +│ +9 │/)
    expect(stdout).toMatch(/│ default +│ +\d+ % │/)
  })

  test('logs shows the logged errors of one message together', async () => {
    expect((await runHere(['diagnose', 'logs'], admin)).stdout).toMatch(/^The process logged no error/)
  })

  test.each([
    [['diagnose', 'metrics', '--range', '2h'], '1h, 6h, 24h, 7d'],
    [['diagnose', 'advisor', '--severity', 'high'], 'critical, warning, info'],
    [['diagnose', 'advisor', '--category', 'speed'], 'health, billing, performance, security'],
  ])('%j is an error that names what is allowed', async (args, message) => {
    expect(await runHere(args, admin)).toEqual({ code: 1, stdout: '', stderr: expect.stringContaining(message) })
  })

  test('is for operators only', async () => {
    const { token } = (await tested.client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body
    expect(await runHere(['diagnose'], { ...admin, METERLINE_ACCESS_TOKEN: token })).toMatchObject({ code: 5, stdout: '' })
  })
})
