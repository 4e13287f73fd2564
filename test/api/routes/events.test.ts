import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readMigrations } from '../../../sql/migrate.ts'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const directory = makeTemporaryDirectory()
let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService({ DATA_DIR: directory.path })
  partner = await tested.client.createPartner('Events')
  await tested.client.createIngestKey()
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const at = '2026-01-15T12:00:00Z'
const good = (event_id: string, extra: object = {}) => ({ event_id, project_id: 'p', metric: 'ai_tokens', value: 1, timestamp: at, ...extra })
const soon = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString()

async function totalOf(projectId: string, name: string, from = '2026-01-01', to = '2026-12-31') {
  await tested.client.registerProject(projectId, partner.partnerId)
  return (await tested.client.projectUsage(partner, projectId, from, to)).body.summary[name]
}

describe('P7: every rejected event is reported with its index and reason while its neighbours count', () => {
  test('P7: each bad event of a request is rejected with its index and reason, and all others count', async () => {
    const bad: [unknown, string][] = [
      ['text', 'invalid_event'],
      [[], 'invalid_event'],
      [good('', {}), 'invalid_event'],
      [good('x'.repeat(129)), 'invalid_event'],
      [good('tab\there'), 'invalid_event'],
      [good('lone \ud800 surrogate'), 'invalid_event'],
      [good('a', { event_id: 7 }), 'invalid_event'],
      [good('a', { project_id: 'sp ace' }), 'invalid_event'],
      [good('a', { project_id: 'p'.repeat(129) }), 'invalid_event'],
      [good('a', { project_id: undefined }), 'invalid_event'],
      [good('a', { metric: 'ai_token' }), 'unknown_metric'],
      [good('a', { metric: 'constructor' }), 'unknown_metric'],
      [good('a', { value: -1 }), 'invalid_value'],
      [good('a', { value: '1e3' }), 'invalid_value'],
      [good('a', { value: '01' }), 'invalid_value'],
      [good('a', { value: '0.0000000001' }), 'invalid_value'],
      [good('a', { value: '9'.repeat(30) }), 'invalid_value'],
      [good('a', { value: true }), 'invalid_value'],
      [good('a', { value: null }), 'invalid_value'],
      [good('a', { timestamp: '2026-02-30T00:00:00Z' }), 'invalid_timestamp'],
      [good('a', { timestamp: '2026-01-01T00:00:00' }), 'invalid_timestamp'],
      [good('a', { timestamp: '1999-12-31T23:59:59Z' }), 'invalid_timestamp'],
      [good('a', { timestamp: 1700000000 }), 'invalid_timestamp'],
      [good('a', { timestamp: soon(6) }), 'timestamp_in_future'],
      [good('a', { padding: 'x'.repeat(65 * 1024) }), 'too_large'],
    ]
    const events = bad.flatMap(([event], index) => [good(`neighbour-${index}`), event])
    const { status, body } = await tested.client.send([...events, good('neighbour-0', { value: 2 }), good('in time', { timestamp: soon(4) })])
    expect(status).toBe(200)
    expect(body.accepted).toBe(String(bad.length + 1))
    const expected = [...bad.map(([, reason], index) => [String(index * 2 + 1), reason]), [String(bad.length * 2), 'conflict']]
    expect(body.rejected.map((each: { index: string; reason: string }) => [each.index, each.reason])).toEqual(expected)
  })

  test('P7: a field that is not of an event is ignored, however deep it is nested', async () => {
    const deep = JSON.stringify(good('deep')).replace('{', `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)},`)
    const { status, body } = await tested.client.sendBody(`[${JSON.stringify(good('shallow-1'))},${deep},${JSON.stringify(good('shallow-2'))}]`)
    expect([status, body]).toEqual([200, { accepted: '3', duplicates: '0', rejected: [] }])
  })

  test('P7: in NDJSON the index is the line, and a broken line is one rejected event', async () => {
    const lines = ['', JSON.stringify(good('n1')), '{"event_id":', '  ', JSON.stringify(good('n2')), '[1]', '']
    const { body } = await tested.client.sendBody(lines.join('\n'), 'application/x-ndjson; charset=utf-8')
    expect(body).toMatchObject({
      accepted: '2',
      rejected: [
        { index: '2', event_id: null, reason: 'invalid_json' },
        { index: '5', reason: 'invalid_event' },
      ],
    })
    const broken = Buffer.concat([
      Buffer.from('{"event_id":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from(`","project_id":"p","metric":"ai_tokens","value":1,"timestamp":"${at}"}\n`),
    ])
    expect((await tested.client.sendBody(broken, 'application/x-ndjson')).body.rejected).toMatchObject([{ index: '0', reason: 'invalid_json' }])
  })

  test('P7: the one event that the store rejects is isolated among many and rejected as refused_by_store', async () => {
    await rebuildInbox((statement) => statement.replace('\n)\nENGINE = Null', `,\n CONSTRAINT no_poison CHECK event_id != 'poison'\n)\nENGINE = Null`))
    const events = Array.from({ length: 40 }, (_, index) => good(index === 23 ? 'poison' : `store-${index}`, { project_id: 'store' }))
    const { status, body } = await tested.client.send(events)
    await rebuildInbox((statement) => statement)
    expect([status, body.accepted, body.rejected.length]).toEqual([200, '39', 1])
    expect(body.rejected[0]).toMatchObject({ index: '23', event_id: 'poison', reason: 'refused_by_store' })
    expect(await totalOf('store', 'total_ai_tokens')).toBe('39')
    expect((await tested.client.send(events)).body).toMatchObject({ accepted: '1', duplicates: '39', rejected: [] })
  })

  test('P7: a rejected event is stored with its original bytes, and its ingest key and operators can list it', async () => {
    const own = await tested.client.createIngestKey('own')
    const text = '{"event_id": "kept",  "project_id":"p","metric":"none", "big": 12345678901234567890, "é": "\\u00e9 ✓"}'
    await tested.client.sendBody(`[${JSON.stringify(good('fine'))} , ${text} ]`)
    const list = async (key: string) =>
      (await tested.client.call('GET', '/v1/rejected-events', { headers: { authorization: `Bearer ${key}` } })).body.rejected_events
    expect(await list(own)).toMatchObject([{ reason: 'unknown_metric', event_id: 'kept', project_id: 'p', original: text }])
    await tested.client.createIngestKey('another')
    expect(await list(tested.client.ingestKey)).toEqual([])
    expect((await tested.client.admin('GET', '/admin/v1/rejected-events?limit=1')).body.rejected_events).toMatchObject([{ event_id: 'kept', original: text }])
  })

  test('P7: a rejected event is stored with the ids that were sent, even those with a special meaning in the store', async () => {
    const own = await tested.client.createIngestKey('odd ids')
    const ids = ['\\N', "it's", '\\', 'tab\there', 'NULL']
    await tested.client.send(ids.map((event_id) => good(event_id, { project_id: 'odd', metric: 'none' })))
    const { body } = await tested.client.call('GET', '/v1/rejected-events', { headers: { authorization: `Bearer ${own}` } })
    expect(body.rejected_events.map((each: { event_id: string }) => each.event_id).sort()).toEqual([...ids].sort())
    expect(body.rejected_events.map((each: { project_id: string }) => each.project_id)).toEqual(ids.map(() => 'odd'))
  })

  test('P7: a rejected event counts once it is fixed and sent again', async () => {
    expect((await tested.client.send(good('mended', { value: '-3', project_id: 'mended' }))).body.rejected).toHaveLength(1)
    expect((await tested.client.send(good('mended', { value: '3', project_id: 'mended' }))).body).toMatchObject({ accepted: '1', rejected: [] })
  })
})

describe('P6: a number is read from its text, not by its floating-point value', () => {
  const cases: [string, string | undefined][] = [
    ['9007199254740992', '9007199254740992'],
    ['9007199254740993', undefined],
    ['123456789012345', '123456789012345'],
    ['12345678901234567890', undefined],
    ['1e20', '100000000000000000000'],
    ['1.5E+3', '1500'],
    ['25e-9', '0.000000025'],
    ['25e-10', undefined],
    ['-0', undefined],
    ['1e400', undefined],
    ['0.1', '0.1'],
    ['1.0000000000000001', undefined],
  ]
  for (const [text, expected] of cases) {
    test(`P6: the value ${text} is ${expected === undefined ? 'rejected' : `stored as ${expected}`}`, async () => {
      const project = `number-${text}`.replaceAll('+', '_')
      const body = `{"event_id":"1","project_id":"${project}","metric":"ai_credits","value":${text},"timestamp":"${at}"}`
      const answer = (await tested.client.sendBody(body)).body
      expect(answer.rejected.map((each: { reason: string }) => each.reason)).toEqual(expected === undefined ? ['invalid_value'] : [])
      if (expected !== undefined) expect(await totalOf(project, 'total_ai_credits')).toBe(expected)
    })
  }

  test('P6: the digits of a value are kept when its key is escaped or repeated', async () => {
    const event = (value: string) => `{"event_id":"e","project_id":"escaped","metric":"ai_tokens",${value},"timestamp":"${at}"}`
    expect((await tested.client.sendBody(event('"\\u0076alue":9007199254740993'))).body.rejected).toMatchObject([{ reason: 'invalid_value' }])
    expect((await tested.client.sendBody(event('"value":1,"value":9007199254740993'))).body.rejected).toMatchObject([{ reason: 'invalid_value' }])
    expect((await tested.client.sendBody(event('"__proto__":{"value":5},"value":7'))).body).toMatchObject({ accepted: '1' })
    expect(await totalOf('escaped', 'total_ai_tokens')).toBe('7')
  })

  test('P6: values above 2^53 with nine decimals keep all digits in answers, and sums beyond Decimal(38,9) are exact', async () => {
    const huge = '99999999999999999999999999999.999999999'
    const events = ['one', 'two', 'three'].map((id) => good(id, { project_id: 'huge', metric: 'ai_credits', value: huge }))
    const peaks = ['huge', 'huger'].map((project_id) => good('peak', { project_id, metric: 'database_size_bytes', value: '90000000000000000000000000000' }))
    await tested.client.send([...events, ...peaks])
    for (const id of ['huge', 'huger']) await tested.client.registerProject(id, partner.partnerId)
    const { text } = await tested.client.projectUsage(partner, 'huge', '2026-01-15', '2026-01-15')
    expect(text).toContain('"total_ai_credits":299999999999999999999999999999.999999997,')
    const whole = await tested.client.partnershipUsage(partner, '2026-01-15', '2026-01-15')
    expect(whole.text).toContain('"database_bytes":180000000000000000000000000000,')
  })
})

describe('P2: an event identity counts once, permanently', () => {
  test('P2: the same id in two projects is two events; with a timestamp in another month it is a duplicate', async () => {
    await tested.client.send([good('same', { project_id: 'twin-a' }), good('same', { project_id: 'twin-b' })])
    expect((await tested.client.send(good('same', { project_id: 'twin-a', timestamp: '2025-03-01T00:00:00Z' }))).body).toMatchObject({
      accepted: '0',
      duplicates: '1',
    })
    expect(await totalOf('twin-a', 'total_ai_tokens')).toBe('1')
    expect(await totalOf('twin-b', 'total_ai_tokens')).toBe('1')
  })

  test('P2: events of 101 months in one batch count once', async () => {
    const months = Array.from({ length: 101 }, (_, month) =>
      good(`m${month}`, { project_id: 'months', timestamp: new Date(Date.UTC(2015, month, 1)).toISOString() }),
    )
    expect((await tested.client.send(months)).body).toMatchObject({ accepted: '101', rejected: [] })
    expect((await tested.client.send(months)).body).toMatchObject({ accepted: '0', duplicates: '101' })
    expect(await totalOf('months', 'total_ai_tokens', '2015-01-01', '2015-12-31')).toBe('12')
  })

  test('P2: duplicates are detected in requests with the maximum number and size of ids, including multi-byte characters', async () => {
    for (const filler of ['漢'.repeat(123), "\\'".repeat(61), '😀'.repeat(123), '']) {
      const events = Array.from({ length: filler === '' ? 10_000 : 1_500 }, (_, index) =>
        good(`${filler}${String(index).padStart(5, '0')}`, { project_id: 'heavy' }),
      )
      expect((await tested.client.send(events)).body).toMatchObject({ accepted: String(events.length), rejected: [] })
      expect((await tested.client.send(events)).body).toMatchObject({ accepted: '0', duplicates: String(events.length), rejected: [] })
    }
  })

  test('P2: ids with any allowed characters, up to 128, are detected as duplicates after a restart', async () => {
    const project_id = `Aa0_.:-${'z'.repeat(121)}`
    const ids = [`it's \\ "quoted" \\'`, '\ufeffbyte order', '😀'.repeat(128), 'ü'.repeat(128), '%20&<>\\N', 'x'.repeat(128)]
    const events: TestEvent[] = ids.map((id) => good(id, { project_id }))
    expect((await tested.client.send(events)).body).toMatchObject({ accepted: String(ids.length), rejected: [] })
    const { ingestKey } = tested.client
    await tested.stop()
    tested = await startTestService({ DATA_DIR: directory.path })
    tested.client.ingestKey = ingestKey
    await untilFilterComplete()
    expect((await tested.client.send(events)).body).toMatchObject({ accepted: '0', duplicates: String(ids.length) })
    expect(await totalOf(project_id, 'total_ai_tokens')).toBe(String(ids.length))
  })
})

test('P1: when the store fails the answer is 503, no event is acknowledged, and the retry counts once', async () => {
  const events = [good('f1', { project_id: 'failing' }), good('f2', { project_id: 'failing' })]
  await tested.service.clickhouse.control.command('RENAME TABLE raw_usage_events_v1 TO raw_usage_events_away')
  const failed = await tested.client.send(events)
  expect([failed.status, failed.body.code, failed.headers.get('retry-after')]).toEqual([503, 'EVENTS_UNAVAILABLE', '1'])
  await tested.service.clickhouse.control.command('RENAME TABLE raw_usage_events_away TO raw_usage_events_v1')
  let answer = await tested.client.send(events)
  while (answer.status === 503) answer = await tested.client.send(events)
  expect(answer.body).toMatchObject({ accepted: '2', rejected: [] })
  expect(await totalOf('failing', 'total_ai_tokens')).toBe('2')
  expect((await tested.client.audit()).body.differences).toEqual([])
})

/** Creates the inbox and its view again from the statements of the migration, changed by `change`. */
async function rebuildInbox(change: (statement: string) => string): Promise<void> {
  const { control } = tested.service.clickhouse
  const statements = (await readMigrations()).flatMap((migration) => migration.statements).filter((statement) => statement.includes('usage_events_inbox_v1'))
  await control.command('DROP VIEW raw_usage_events_mv_v1')
  await control.command('DROP TABLE usage_events_inbox_v1')
  for (const statement of statements) await control.command(change(statement))
}

async function untilFilterComplete(): Promise<void> {
  while (!(await (await fetch(`${tested.service.url}/metrics`)).text()).includes('meterline_filter_complete{log="http"} 1'));
}
