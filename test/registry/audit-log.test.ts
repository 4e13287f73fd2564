import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AuditEntry, EMPTY_AUDIT_LOG, verifyAuditChain } from '../../contract/audit-chain.ts'
import { type AuditedChange, entriesAfter, SERVICE } from '../../registry/audit-log.ts'
import { publishAuditHead } from '../../service/publish-audit-head.ts'
import { runMeterline } from '../support/engines/service-process.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
})
afterAll(() => tested.stop())

const entriesOf = async (query: string) => (await tested.client.admin('GET', `/admin/v1/audit-log?${query}`)).body

describe('the audit log', () => {
  test('its end is a line in the log of the process and a metric, so that a cut-off end can be detected', async () => {
    await tested.client.createPartner('Published')
    const logged: { entries?: number; head?: string }[] = []
    const published = publishAuditHead(tested.service.clickhouse, { info: (line) => logged.push(line), warn: () => {}, error: () => {} })
    await untilSo(async () => logged.length > 0)
    await published.stop()
    const [newest] = (await entriesOf('order=newest&limit=1')).entries
    expect([logged, published.current()?.seq]).toEqual([[{ entries: Number(newest.seq), head: `${newest.seq}:${newest.hash}` }], Number(newest.seq)])
    await untilSo(async () => /^meterline_audit_log_entries \d+$/m.test((await tested.client.call('GET', '/metrics')).text))
  })

  test('an audit entry says who changed what in which request, and contains no secret', async () => {
    const { body, headers } = await tested.client.admin('POST', '/admin/v1/partners', { name: 'Noted', mode: 'co-branded' })
    const { entries } = await entriesOf(`subject=${body.partner.id}`)
    expect(entries).toEqual([
      {
        seq: expect.any(String),
        at: expect.stringMatching(/Z$/),
        actor: 'admin',
        action: 'partner.create',
        subject: body.partner.id,
        details: { mode: 'co-branded', secret_id: expect.any(String) },
        request_id: headers.get('x-request-id'),
        previous_hash: expect.any(String),
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ])
    expect(JSON.stringify(await entriesOf('limit=100'))).not.toContain(body.secret)
  })

  test('changes by a partner are audited; calls that change nothing are not', async () => {
    const partner = await tested.client.createPartner('Partner')
    const sync = (body: object) => tested.client.partner(partner, 'POST', '/sync-embedded-project', JSON.stringify(body))
    const { id } = (await sync({ project_name: 'p' })).body.project
    for (let again = 0; again < 3; again += 1) await sync({ project_name: 'p' })
    await sync({ project_name: 'p', region: 'eu-west' })
    await tested.client.partner(partner, 'DELETE', `/${id}`)
    await tested.client.partner(partner, 'DELETE', `/${id}`)
    const { entries } = await entriesOf(`subject=${id}&order=oldest`)
    expect(entries.map(({ actor, action }: AuditEntry) => [actor, action])).toEqual(
      ['project.create', 'project.change', 'project.delete'].map((action) => [`partner:${partner.partnerId}`, action]),
    )
  })

  test('the audit log is read in pages from either end, under both of its paths', async () => {
    await Promise.all(Array.from({ length: 7 }, (_, index) => tested.client.createPartner(`p${index}`)))
    const all = (await entriesOf('limit=100&order=oldest')).entries.map(({ seq }: { seq: string }) => Number(seq))
    expect(all).toEqual(all.map((_: number, index: number) => index + 1))
    const paged: number[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { entries: { seq: string }[]; next_cursor: string | null } = await entriesOf(`limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
      paged.push(...page.entries.map(({ seq }) => Number(seq)))
      cursor = page.next_cursor
    }
    expect(paged).toEqual(all.toReversed())
    expect((await tested.client.admin('GET', '/admin/v1/audit?limit=100')).text).toBe((await tested.client.admin('GET', '/admin/v1/audit-log?limit=100')).text)
    for (const query of ['limit=101', 'limit=0', 'cursor=x', 'order=up', 'actor=admin'])
      expect((await tested.client.admin('GET', `/admin/v1/audit-log?${query}`)).status).toBe(400)
  })

  test('"meterline audit-log verify" verifies the chain and detects that an entry noted earlier was cut off', async () => {
    const environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
    const whole = await runMeterline(['--json', 'audit-log', 'verify'], environment)
    const { entries, head } = JSON.parse(whole.stdout)
    expect([whole.code, head]).toEqual([0, expect.stringMatching(new RegExp(`^${entries}:[0-9a-f]{64}$`))])
    await tested.client.createPartner('later')
    const later = await runMeterline(['audit-log', 'verify', '--head', head], environment)
    expect(later).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${entries + 1} entries, the chain is whole\nentry ${entries} matches the given head\n`),
    })
    const [seq, hash] = head.split(':')
    const cut = await runMeterline(['audit-log', 'verify', '--head', `${Number(seq) + 5}:${hash}`], environment)
    expect(cut).toMatchObject({ code: 1, stderr: expect.stringContaining(`entry ${Number(seq) + 5} was noted`) })
    expect((await runMeterline(['audit-log', 'list', '--limit', '2'], environment)).stdout).toContain('partner.create')
  })

  test('"meterline audit-log list" shortens long details to fit a screen, and prints them completely with --json', async () => {
    const environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
    const { token, id } = (await tested.client.admin('POST', '/admin/v1/tokens', { role: 'operator' })).body
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const name = 'a name of 128 characters'.padEnd(128, '—')
    await tested.client.call('POST', '/admin/v1/ingest-keys', { headers, body: JSON.stringify({ name }) })
    const { stdout } = await runMeterline(['audit-log', 'list', '--limit', '10'], environment)
    expect(stdout).toMatch(new RegExp(`│ admin:operator:${id.slice(0, 8)} +│ ingest-key\\.create +│`))
    expect(stdout).toContain('{"name":"a name of 128 characters')
    expect(stdout).toContain('—… │')
    for (const line of stdout.split('\n')) expect([...line].length).toBeLessThan(200)
    const [entry] = JSON.parse((await runMeterline(['--json', 'audit-log', 'list', '--limit', '1'], environment)).stdout).entries
    expect(entry).toMatchObject({ actor: `admin:operator:${id}`, details: { name } })
  })
})

describe('the chain of audit entries', () => {
  const chain = chainOf((index) => ({ action: 'thing.change', subject: `t${index}`, details: { to: index } }))
  const verdictOf = (entries: readonly AuditEntry[]) => verifyAuditChain(each(entries), { seq: 6, hash: chain[5]?.hash ?? '' })
  const changed = (index: number, change: Partial<AuditEntry>) => chain.map((entry, at) => (at === index ? { ...entry, ...change } : entry))

  test('an unchanged chain is verified as whole', async () => {
    expect(await verdictOf(chain)).toEqual({ status: 'whole', entries: 6, head: { seq: 6, hash: chain[5]?.hash } })
  })

  test.each<[string, readonly AuditEntry[], number]>([
    ['an entry with another actor', changed(2, { actor: 'admin' }), 3],
    ['an entry with another time', changed(2, { at: '2026-01-03T00:00:01Z' }), 3],
    ['an entry with more details', changed(3, { details: '{"to":3,"and":4}' }), 4],
    ['a removed entry', chain.filter((_, index) => index !== 3), 5],
    ['a duplicated entry', [...chain.slice(0, 3), ...chain.slice(2)], 3],
    ['two exchanged entries', [...chain.slice(0, 2), ...chain.slice(2, 4).toReversed(), ...chain.slice(4)], 4],
    ['a truncated end', chain.slice(0, 4), 4],
    ['a truncated beginning', chain.slice(1), 2],
  ])('verification detects %s', async (_, entries, seq) => {
    expect(await verdictOf(entries)).toMatchObject({ status: 'broken', seq })
  })

  test('verification with a noted head detects an entry that was forged together with all that follow', async () => {
    const forged = chainOf((index) => ({ action: index === 2 ? 'thing.nothing' : 'thing.change', subject: `t${index}`, details: { to: index } }))
    expect(await verdictOf(forged)).toMatchObject({ status: 'broken', seq: 6, reason: expect.stringContaining('was noted') })
    expect(await verifyAuditChain(each(forged))).toMatchObject({ status: 'whole' })
  })
})

async function* each(entries: readonly AuditEntry[]): AsyncIterable<AuditEntry> {
  yield* entries
}

function chainOf(noted: (index: number) => AuditedChange): AuditEntry[] {
  return entriesAfter(
    EMPTY_AUDIT_LOG,
    Date.UTC(2026, 0, 1),
    Array.from({ length: 6 }, (_, index) => ({ actor: SERVICE, noted: noted(index) })),
  )
}
