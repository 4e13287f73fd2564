import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let other: Credentials
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Projects')
  other = await tested.client.createPartner('Other')
})
afterAll(() => tested.stop())

const sync = (body: object, credentials = partner) => tested.client.partner(credentials, 'POST', '/sync-embedded-project', JSON.stringify(body))

describe('sync-embedded-project', () => {
  test('sync-embedded-project answers in the documented shape', async () => {
    const { status, body } = await sync({ project_name: 'Shape of It', region: 'eu-west', instance_type: 'small' })
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      project: {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        access_host: expect.stringMatching(/^https:\/\/shape-of-it-[0-9a-f]{8}\.eu-west\.localhost$/),
        api_key: expect.stringMatching(/^mlk_/),
        status: 'active',
      },
    })
  })

  test('sync-embedded-project is idempotent by name, also under 20 concurrent calls', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => sync({ project_name: 'raced' })))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect((await sync({ project_name: 'raced' })).text).toBe(answers[0]?.text)
  })

  test('sync-embedded-project applies a changed region and keeps id and key', async () => {
    const first = (await sync({ project_name: 'moving' })).body.project
    const moved = (await sync({ project_name: 'moving', region: 'us-west' })).body.project
    expect(moved).toEqual({ ...first, access_host: first.access_host.replace('us-east', 'us-west') })
  })

  test('sync-embedded-project creates a new project when the one of this name was deleted or renamed', async () => {
    const first = (await sync({ project_name: 'again' })).body.project.id
    await tested.client.partner(partner, 'DELETE', `/${first}`)
    const second = (await sync({ project_name: 'again' })).body.project.id
    expect(second).not.toBe(first)
    expect((await tested.client.registerProject(second, partner.partnerId, { name: 'renamed' })).status).toBe(200)
    const third = (await sync({ project_name: 'again' })).body.project.id
    expect([first, second]).not.toContain(third)
    expect((await sync({ project_name: 'renamed' })).body.project.id).toBe(second)
  })

  test('two partners get different projects for the same name', async () => {
    expect((await sync({ project_name: 'common' })).body.project.id).not.toBe((await sync({ project_name: 'common' }, other)).body.project.id)
  })

  test('sync-embedded-project finds a project by its name, also by a name with a special meaning to the store', async () => {
    for (const project_name of ['\\N', 'NULL', "it's", '\\', '%41', '{x: String}', '漢字']) {
      const first = await sync({ project_name })
      expect([first.status, (await sync({ project_name })).text]).toEqual([200, first.text])
      expect((await tested.client.projectUsage(partner, first.body.project.id, '2026-01-01', '2026-01-02')).body.project.name).toBe(project_name)
    }
  })

  test('sync-embedded-project rejects names that could not be returned as they were sent', async () => {
    for (const project_name of ['a\0b', 'two\nlines', 'lone \ud800', 'x'.repeat(129)]) {
      const answer = await sync({ project_name })
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining('body.project_name: ')])
    }
    const bytes = Buffer.concat([Buffer.from('{"project_name":"'), Buffer.from([0xff]), Buffer.from('"}')])
    const headers = { 'x-partnership-secret': partner.secret, 'content-type': 'application/json' }
    const answer = await tested.client.call('POST', `/partnership/v1/${partner.partnerId}/sync-embedded-project`, { headers, body: bytes })
    expect([answer.status, answer.body.code]).toEqual([400, 'BODY_NOT_JSON'])
  })

  test('sync-embedded-project rejects an invalid body with the name of the field', async () => {
    for (const [body, named] of [
      [{}, 'project_name'],
      [{ project_name: ' ' }, 'project_name'],
      [{ project_name: 'x', region: 'mars' }, 'region'],
      [{ project_name: 'x', instance_type: 'huge' }, 'instance_type'],
      [{ project_name: 'x', colour: 'red' }, 'colour'],
    ] as const) {
      const answer = await sync(body)
      expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_REQUEST'])
      expect(answer.body.message).toContain(named)
    }
    expect((await tested.client.partner(partner, 'POST', '/sync-embedded-project', '')).status).toBe(400)
  })

  test('a co-branded partner cannot sync or delete embedded projects, but can read usage', async () => {
    const branded = await tested.client.createPartner('Branded', 'co-branded')
    const answer = await sync({ project_name: 'x' }, branded)
    expect([answer.status, answer.body.code]).toEqual([403, 'MODE_NOT_ALLOWED'])
    expect((await tested.client.partner(branded, 'DELETE', '/x')).status).toBe(403)
    expect((await tested.client.partnershipUsage(branded, '2026-01-01', '2026-01-02')).status).toBe(200)
  })
})

describe('the life cycle of a project', () => {
  const call = (method: string, path: string, { body, as = partner }: { body?: unknown; as?: Credentials } = {}) =>
    tested.client.partner(as, method, path, body === undefined ? undefined : JSON.stringify(body))
  const actionsOn = async (id: string) => {
    const { body } = await tested.client.admin('GET', `/admin/v1/audit?order=oldest&subject=${id}`)
    return (body.entries as { action: string }[]).map(({ action }) => action)
  }

  test('metadata has the documented shape; last_activity_at is the latest counted timestamp, or null before the first event', async () => {
    const { project } = (await sync({ project_name: 'described', region: 'us-west', instance_type: 'micro' })).body
    const before = await call('GET', `/${project.id}/metadata`)
    expect([before.status, before.body]).toEqual([200, { project: { ...project, region: 'us-west', instance_type: 'micro', last_activity_at: null } }])
    await tested.client.createIngestKey()
    const event = (event_id: string, timestamp: string) => ({ event_id, project_id: project.id, metric: 'ai_tokens', value: 1, timestamp })
    await tested.client.send([event('late', '2026-01-09T10:30:00.250Z'), event('early', '2026-01-03T10:30:00Z')])
    const after = await call('GET', `/${project.id}/metadata`)
    expect(after.body).toEqual({ project: { ...before.body.project, last_activity_at: '2026-01-09T10:30:00.250Z' } })
  })

  test('pause and restore have the documented shape, with and without a body; repeating one returns 200 and changes nothing', async () => {
    const { id } = (await sync({ project_name: 'paused' })).body.project
    for (const body of [{ wait_for_completion: true }, { wait_for_completion: false }, {}, undefined]) {
      for (const [verb, status] of [
        ['pause', 'paused'],
        ['pause', 'paused'],
        ['restore', 'active'],
        ['restore', 'active'],
      ]) {
        const answer = await call('POST', `/${id}/${verb}`, { body })
        expect([answer.status, answer.body]).toEqual([200, { project: { id, status } }])
        expect((await call('GET', `/${id}/metadata`)).body.project.status).toBe(status)
      }
    }
    expect(await actionsOn(id)).toEqual(['project.create', ...Array.from({ length: 4 }, () => ['project.pause', 'project.restore']).flat()])
  })

  test('a paused project keeps its name and its usage, and a sync by its name returns it as paused', async () => {
    const { project } = (await sync({ project_name: 'asleep' })).body
    await call('POST', `/${project.id}/pause`)
    expect((await sync({ project_name: 'asleep' })).body).toEqual({ success: true, project: { ...project, status: 'paused' } })
    expect((await tested.client.projectUsage(partner, project.id, '2026-01-01', '2026-01-02')).body.project.status).toBe('paused')
  })

  test('deletion has the documented shape and is permanent: usage returns 200, every other call 404', async () => {
    const { id } = (await sync({ project_name: 'mortal' })).body.project
    await call('POST', `/${id}/pause`)
    const deleted = await call('DELETE', `/${id}`)
    expect([deleted.status, deleted.body]).toEqual([200, { message: 'Project deleted successfully', requestId: deleted.headers.get('x-request-id') }])
    for (const [method, path] of [
      ['GET', 'metadata'],
      ['POST', 'pause'],
      ['POST', 'restore'],
      ['POST', 'authorization'],
      ['DELETE', ''],
    ]) {
      const answer = await call(method ?? '', `/${id}${path === '' ? '' : `/${path}`}`)
      expect([path, answer.status, answer.body.code]).toEqual([path, 404, 'PROJECT_NOT_FOUND'])
    }
    expect((await tested.client.projectUsage(partner, id, '2026-01-01', '2026-01-02')).body.project).toMatchObject({ id, status: 'deleted' })
    expect(await actionsOn(id)).toEqual(['project.create', 'project.pause', 'project.delete'])
  })

  test('P5: a project of another partner gets the same answers as an unknown one and is not changed', async () => {
    const { project } = (await sync({ project_name: 'theirs' }, other)).body
    for (const [method, path] of [
      ['GET', '/metadata'],
      ['POST', '/pause'],
      ['POST', '/restore'],
      ['DELETE', ''],
    ] as const) {
      const [foreign, unknown] = [await call(method, `/${project.id}${path}`), await call(method, `/no-such-project${path}`)]
      expect([foreign.status, foreign.body.code]).toEqual([404, 'PROJECT_NOT_FOUND'])
      expect({ ...foreign.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' })
    }
    expect((await call('GET', `/${project.id}/metadata`, { as: other })).body.project.status).toBe('active')
  })

  test('pause rejects an invalid body and does not change the project', async () => {
    const { id } = (await sync({ project_name: 'unmoved' })).body.project
    for (const [body, named] of [
      [{ wait_for_completion: 'yes' }, 'wait_for_completion'],
      [{ wait: true }, 'wait'],
      [[], 'body'],
    ] as const) {
      const answer = await call('POST', `/${id}/pause`, { body })
      expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_REQUEST'])
      expect(answer.body.message).toContain(named)
    }
    expect((await call('GET', `/${id}/metadata`)).body.project.status).toBe('active')
  })
})

describe('PUT /admin/v1/projects/:id', () => {
  const put = (id: string, body: object) => tested.client.admin('PUT', `/admin/v1/projects/${encodeURIComponent(id)}`, body)

  test('PUT /admin/v1/projects/:id registers a project with 201 and changes it with 200', async () => {
    const created = await put('known', { partner_id: partner.partnerId, name: 'Known', region: 'eu-central' })
    expect(created.status).toBe(201)
    expect(created.body.project).toEqual({
      id: 'known',
      partner_id: partner.partnerId,
      name: 'Known',
      status: 'active',
      region: 'eu-central',
      instance_type: 'nano',
      deleted_at: null,
    })
    const changed = await put('known', { partner_id: partner.partnerId, name: 'Better Known', status: 'paused' })
    expect([changed.status, changed.body.project.name, changed.body.project.status, changed.body.project.region]).toEqual([
      200,
      'Better Known',
      'paused',
      'eu-central',
    ])
  })

  test('a registration cannot change the partner, undo a deletion, or use the name of an existing project', async () => {
    const codeOf = async (id: string, body: object) => {
      const answer = await put(id, body)
      return [answer.status, answer.body.code]
    }
    expect(await codeOf('known', { partner_id: other.partnerId, name: 'Known' })).toEqual([409, 'PARTNER_CHANGED'])
    expect(await codeOf('unknown', { partner_id: partner.partnerId, name: 'Better Known' })).toEqual([409, 'NAME_TAKEN'])
    const deleted = await put('known', { partner_id: partner.partnerId, name: 'Known', status: 'deleted', deleted_at: '2026-02-03T04:05:06Z' })
    expect(deleted.body.project).toMatchObject({ status: 'deleted', deleted_at: '2026-02-03T04:05:06Z' })
    expect(await codeOf('known', { partner_id: partner.partnerId, name: 'Known', status: 'active' })).toEqual([409, 'ALREADY_DELETED'])
    expect((await put('unknown', { partner_id: partner.partnerId, name: 'Known' })).status).toBe(201)
  })

  test('the first reported time of a deletion stays, and a time that the store cannot hold is rejected', async () => {
    const gone = (extra: object) => put('gone', { partner_id: partner.partnerId, name: 'Gone', ...extra })
    for (const deleted_at of ['1999-12-31T23:59:59Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2026-02-30T00:00:00Z', 'yesterday']) {
      const answer = await gone({ status: 'deleted', deleted_at })
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining('body.deleted_at: ')])
    }
    const before = Date.now()
    const { body } = await gone({ status: 'deleted' })
    expect(Date.parse(body.project.deleted_at)).toBeGreaterThanOrEqual(before)
    expect((await gone({ name: 'Gone permanently' })).body.project).toEqual({ ...body.project, name: 'Gone permanently' })
    for (const extra of [{ status: 'deleted', deleted_at: '2026-02-03T04:05:06.789Z' }, { status: 'deleted' }, {}]) {
      expect(await gone(extra)).toMatchObject({ status: 200, body: { project: body.project } })
    }
    const past = (id: string, deleted_at: string) => put(id, { partner_id: partner.partnerId, name: 'Past', status: 'deleted', deleted_at })
    expect((await past('past', '2026-02-03T04:05:06.789Z')).body.project.deleted_at).toBe('2026-02-03T04:05:06.789Z')
    expect((await past('past', '2026-02-04T00:00:00Z')).body.project.deleted_at).toBe('2026-02-03T04:05:06.789Z')
  })

  test('of two partners that register the same id concurrently, one succeeds', async () => {
    const answers = await Promise.all([partner, other].map(({ partnerId }) => put('contested', { partner_id: partnerId, name: 'contested' })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
  })

  test('a registration rejects project ids that are reserved for paths or are not valid', async () => {
    for (const id of ['usage', 'projects', 'statements', 'connect-user', 'sync-embedded-project', 'sp ace', 'x'.repeat(129), 'slash/ed']) {
      expect((await put(id, { partner_id: partner.partnerId, name: 'x' })).status).toBe(400)
    }
    expect((await put('x', { partner_id: 'ps_nobody', name: 'x' })).body.code).toBe('PARTNER_NOT_FOUND')
    expect((await put('x', { partner_id: partner.partnerId, name: 'x', deleted_at: '2026-01-01T00:00:00Z' })).body.message).toContain(
      'is only allowed with status "deleted"',
    )
  })
})

test('a DELETE without a body is accepted with the content type of JSON', async () => {
  const { id } = (await sync({ project_name: 'empty body' })).body.project
  expect((await tested.client.partner(partner, 'DELETE', `/${id}`, '')).status).toBe(200)
})

test('no file of the data directory contains a credential in plain text, except the admin token', async () => {
  const key = await tested.client.createIngestKey()
  const { api_key } = (await sync({ project_name: 'sealed' })).body.project
  for (const secret of [partner.secret, key, api_key]) expect(filesWith(secret)).toEqual([])
  expect(filesWith(tested.service.adminToken)).toEqual(['admin-token'])
})

function filesWith(text: string): string[] {
  try {
    const found = execFileSync('grep', ['-rlF', '--', text, '.'], { cwd: tested.dataDir, encoding: 'utf8' })
    return found
      .trim()
      .split('\n')
      .map((path) => path.replace('./', ''))
  } catch {
    return []
  }
}
