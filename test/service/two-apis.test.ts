import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MeterlineClient } from '../support/clients/client.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/engines/clickhouse-server.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../support/engines/kafka-broker.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { untilSo } from '../support/until-so.ts'

describe.skipIf(!HAS_KAFKA)('two api processes on one database', () => {
  let kafka: TestKafka
  let store: TestClickHouse
  const running: ServiceProcess[] = []
  const clients: MeterlineClient[] = []
  const environment = { ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef', MASTER_KEY: Buffer.from('a master key for tests, 32 bytes').toString('base64') }
  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    store = await clickHouseForTests()
    const stores = { KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: 'two-apis', CLICKHOUSE_URL: store.newDatabase() }
    // Both start at the same time on an empty database: they must agree on one pepper and create keys that both accept.
    running.push(
      ...(await Promise.all([
        startServiceProcess({ ...environment, ...stores, AUTH_FAILURES_PER_MINUTE: '0' }, 'api'),
        startServiceProcess({ ...environment, ...stores, AUTH_FAILURES_PER_MINUTE: '0' }, 'api'),
      ])),
    )
    for (const { url } of running) clients.push(new MeterlineClient(url, environment.ADMIN_TOKEN))
  })
  afterAll(async () => {
    for (const process of running.reverse()) await process.stop()
    await store?.stop()
    await kafka?.stop()
  })

  const both = () => {
    const [one, other] = clients
    if (one === undefined || other === undefined) throw new Error('The services did not start.')
    return { one, other, either: (index: number) => (index % 2 === 0 ? one : other) }
  }

  test('50 concurrent calls with one name create one project, whichever api process they reach', async () => {
    const { one, either } = both()
    const partner = await one.createPartner('White-label')
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => either(index).partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"one"}')),
    )
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(answers[0]?.body.success).toBe(true)
    expect((await one.partner(partner, 'GET', '/projects')).body.projects).toHaveLength(1)
  })

  test('50 concurrent calls with different names create only the 2 projects of the free plan', async () => {
    const { one, either } = both()
    const partner = await one.createPartner('Co-branded', 'co-branded')
    const { account } = (await one.partner(partner, 'POST', '/connect-user', '{"name":"n","email":"n@example.com"}')).body
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => either(index).partner(partner, 'POST', `/${account.id}/sync-project`, `{"project_name":"p${index}"}`)),
    )
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(answers.filter(({ body }) => body.success === true)).toHaveLength(2)
    expect((await one.partner(partner, 'GET', '/projects')).body.projects).toHaveLength(2)
  })

  test('a project paused, restored or deleted at one api process has that status at the other', async () => {
    const { one, other } = both()
    const partner = await one.createPartner('Life')
    const { id } = (await one.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"life"}')).body.project
    const statusAt = async (client: MeterlineClient) => (await client.partner(partner, 'GET', `/${id}/metadata`)).body.project?.status
    await one.partner(partner, 'POST', `/${id}/pause`)
    expect(await statusAt(other)).toBe('paused')
    await other.partner(partner, 'POST', `/${id}/restore`)
    expect(await statusAt(one)).toBe('active')
    await one.partner(partner, 'DELETE', `/${id}`)
    expect(await statusAt(other)).toBeUndefined()
    expect((await other.partner(partner, 'POST', `/${id}/restore`)).status).toBe(404)
  })

  test('pause, restore and delete that race at two api processes leave the project deleted, once', async () => {
    const { one, other, either } = both()
    const partner = await one.createPartner('Racing')
    for (let round = 0; round < 5; round += 1) {
      const { id } = (await one.partner(partner, 'POST', '/sync-embedded-project', `{"project_name":"race ${round}"}`)).body.project
      const calls = ['pause', 'delete', 'restore', 'pause', 'delete', 'restore'].map((verb, index) =>
        verb === 'delete' ? either(index).partner(partner, 'DELETE', `/${id}`) : either(index).partner(partner, 'POST', `/${id}/${verb}`),
      )
      const answers = await Promise.all(calls)
      expect(answers.filter(({ status }) => status !== 200 && status !== 404)).toEqual([])
      expect(answers.filter(({ status, body }) => status === 200 && body.message === 'Project deleted successfully')).toHaveLength(1)
      for (const client of [one, other]) expect((await client.partner(partner, 'GET', `/${id}/usage`)).body.project).toMatchObject({ status: 'deleted' })
    }
  })

  test('a secret created at one api process is valid at the other immediately, and one revoked there stops working at the other', async () => {
    const { one, other } = both()
    const partner = await one.createPartner('Secrets')
    const made = await one.admin('POST', `/admin/v1/partners/${partner.partnerId}/secrets`, {})
    const renewed = { ...partner, secret: made.body.secret }
    for (const client of [one, other])
      for (const credentials of [partner, renewed]) expect((await client.partner(credentials, 'GET', '/projects')).status).toBe(200)
    expect((await one.admin('DELETE', `/admin/v1/partners/${partner.partnerId}/secrets/${made.body.id}`)).status).toBe(200)
    expect((await one.partner(renewed, 'GET', '/projects')).status).toBe(401)
    await untilSo(async () => (await other.partner(renewed, 'GET', '/projects')).status === 401)
    expect((await other.partner(partner, 'GET', '/projects')).status).toBe(200)
  })

  test('a token signed by one api process is accepted by the other, and both publish the same keys', async () => {
    const { one, other } = both()
    const partner = await one.createPartner('Tokens')
    const { id } = (await one.partner(partner, 'POST', '/sync-embedded-project', '{"project_name":"tokens"}')).body.project
    for (const [signs, accepts] of [
      [one, other],
      [other, one],
    ] as const) {
      const { code } = (await signs.partner(partner, 'POST', `/${id}/authorization`)).body
      const headers = { authorization: `Bearer ${code}` }
      expect((await accepts.call('GET', `/partnership/v1/${partner.partnerId}/${id}/metadata`, { headers })).status).toBe(200)
      const { token } = (await signs.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body
      expect((await accepts.call('GET', '/admin/v1/partners', { headers: { authorization: `Bearer ${token}` } })).status).toBe(200)
    }
    expect((await one.call('GET', '/.well-known/jwks.json')).body).toEqual((await other.call('GET', '/.well-known/jwks.json')).body)
  })

  test('a secret value stored by one api process is read by the other', async () => {
    const { one, other } = both()
    expect((await one.admin('POST', '/api/secrets', { key: 'SHARED', value: 'kept' })).status).toBe(201)
    expect((await other.admin('GET', '/api/secrets/SHARED')).body).toEqual({ key: 'SHARED', value: 'kept' })
  })

  test('two api processes write one audit log, whose chain is verified at both', async () => {
    for (const { url } of running) {
      const verified = await runMeterline(['audit-log', 'verify'], { METERLINE_URL: url, METERLINE_ACCESS_TOKEN: environment.ADMIN_TOKEN })
      expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('the chain is whole') })
    }
  })
})
