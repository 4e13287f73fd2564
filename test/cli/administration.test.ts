import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { GET_ACCOUNT, LIST_ACCOUNTS, SET_ACCOUNT_PLAN } from '../../contract/accounts.ts'
import { GET_PROJECT, LIST_PROJECTS, REGISTER_PROJECT, REGISTER_PROJECTS } from '../../contract/admin-projects.ts'
import { readAnswer } from '../../contract/answer.ts'
import { CREATE_INGEST_KEY, LIST_INGEST_KEYS, REVOKE_INGEST_KEY } from '../../contract/ingest-keys.ts'
import { ADD_PARTNER_SECRET, REVOKE_PARTNER_SECRET } from '../../contract/partner-secrets.ts'
import { CREATE_PARTNER, GET_PARTNER, LIST_PARTNERS, UPDATE_PARTNER } from '../../contract/partners.ts'
import { CREATE_SECRET, DELETE_SECRET, GET_SECRET, LIST_SECRETS, UPDATE_SECRET } from '../../contract/secrets.ts'
import { runHere } from '../support/clients/run-here.ts'
import { runMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { TEST_MASTER_KEY } from '../support/worlds/test-registry.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let environment: Record<string, string>
const directory = makeTemporaryDirectory()
const inDirectory = (name: string) => join(directory.path, name)
beforeAll(async () => {
  tested = await startTestService({ MASTER_KEY: TEST_MASTER_KEY })
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken, XDG_CONFIG_HOME: directory.path }
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const run = (...args: string[]) => runHere(args, environment)

/** What a command prints with --json, parsed by the schema of the service's answer. */
async function json<S extends Parameters<typeof readAnswer>[0]>(schema: S, ...args: string[]) {
  const { code, stdout, stderr } = await run('--json', ...args)
  expect([code, stderr]).toEqual([0, ''])
  return readAnswer(schema, stdout)
}

const failure = (code: number, text: string | RegExp) => ({
  code,
  stdout: '',
  stderr: typeof text === 'string' ? expect.stringContaining(text) : expect.stringMatching(text),
})

describe('the command "partners"', () => {
  test('creates, shows, lists, disables and enables a partner, and sets its first billed month', async () => {
    const { partner, secret } = await json(CREATE_PARTNER.answers[201], 'partners', 'create', 'Acme', '--mode', 'co-branded')
    expect(secret).toMatch(/^mls_/)
    const shown = await json(GET_PARTNER.answers[200], 'partners', 'show', partner.id)
    expect(shown).toMatchObject({ partner: { name: 'Acme', mode: 'co-branded' }, secrets: [{ last_four: secret.slice(-4) }] })
    expect((await json(LIST_PARTNERS.answers[200], 'partners', 'list')).partners.map(({ name }) => name)).toContain('Acme')
    const billed = await json(UPDATE_PARTNER.answers[200], 'partners', 'update', partner.id, '--billing-from', '2026-01')
    expect(billed.partner.billing_from).toBe('2026-01')
    expect((await json(UPDATE_PARTNER.answers[200], '--yes', 'partners', 'disable', partner.id)).partner.disabled_at).not.toBeNull()
    expect((await run('partners', 'list')).stdout).toMatch(new RegExp(`${partner.id} .*Acme .*co-branded .*2026-01 .*none .*disabled since`))
    expect((await json(UPDATE_PARTNER.answers[200], 'partners', 'enable', partner.id)).partner.disabled_at).toBeNull()
    expect((await run('partners', 'show', partner.id)).stdout).toMatch(/^id +ps_\w+\nname +Acme\n.*mls_/s)
  })

  test('a question without a terminal names --yes, and nothing is changed', async () => {
    const { partnerId } = await tested.client.createPartner('Asked')
    const [secret] = (await tested.client.admin('GET', `/admin/v1/partners/${partnerId}`)).body.secrets
    for (const args of [
      ['partners', 'disable', partnerId],
      ['partners', 'revoke', partnerId, secret.id],
      ['partners', 'rotate', partnerId, '--overlap', '0'],
      ['partners', 'update', partnerId, '--billing-from', '2001-02'],
      ['projects', 'register', 'asked', '--partner', partnerId, '--name', 'n', '--status', 'deleted'],
      ['ingest-keys', 'revoke', 'any'],
      ['secrets', 'delete', 'ANY'],
      ['schedules', 'delete', 'any'],
    ])
      expect(await run(...args)).toEqual(failure(1, '\nAdd --yes to confirm it without a terminal.\n'))
    const { body } = await tested.client.admin('GET', `/admin/v1/partners/${partnerId}`)
    expect(body).toMatchObject({
      partner: { disabled_at: null, billing_from: new Date().toISOString().slice(0, 7) },
      secrets: [{ revoked_at: null, expires_at: null }],
    })
    expect((await run('--yes', 'partners', 'update', partnerId, '--billing-from', '2001-02')).code).toBe(0)
  })

  test('a secret is rotated with an overlap and revoked by its id', async () => {
    const { partnerId } = await tested.client.createPartner('Rotated')
    const rotated = await json(ADD_PARTNER_SECRET.answers[201], 'partners', 'rotate', partnerId, '--overlap', '60')
    expect(rotated.replaced).toHaveLength(1)
    const revoked = await json(REVOKE_PARTNER_SECRET.answers[200], '--yes', 'partners', 'revoke', partnerId, rotated.id)
    expect(revoked.id).toBe(rotated.id)
    expect(await run('partners', 'rotate', partnerId, '--overlap', '1h')).toEqual(failure(1, '"1h"'))
    expect(await run('--yes', 'partners', 'revoke', partnerId, 'unknown')).toEqual(failure(4, 'no secret with this id'))
    expect(await run('partners', 'show', 'unknown')).toEqual(failure(4, 'Partner not found'))
    expect(await run('partners', 'create', 'P', '--mode', 'blue')).toEqual(failure(1, 'white-label'))
    expect(await run('partners', 'update', partnerId, '--billing-from', '2026-13')).toEqual(failure(1, '"2026-13"'))
  })

  test('--out writes the secret to a new file of mode 0600 and prints it nowhere; a file that exists is not overwritten', async () => {
    const out = inDirectory('secret')
    const { code, stdout, stderr } = await run('partners', 'create', 'Filed', '--out', out)
    const written = readFileSync(out, 'utf8')
    expect([code, written]).toEqual([0, expect.stringMatching(/^mls_\S+\n$/)])
    expect(statSync(out).mode & 0o777).toBe(0o600)
    expect(`${stdout}${stderr}`).not.toContain(written.trim())
    expect(stdout).toMatch(/^id +ps_\w+\nname +Filed\n$/)
    expect(await run('ingest-keys', 'create', 'k', '--out', out)).toEqual(failure(1, 'exists and is not overwritten'))
    expect(readFileSync(out, 'utf8')).toBe(written)
    const inJson = await run('--json', 'ingest-keys', 'create', 'filed', '--out', inDirectory('key'))
    expect(JSON.parse(inJson.stdout)).toEqual({ id: expect.any(String) })
    expect(readFileSync(inDirectory('key'), 'utf8')).toMatch(/^mli_/)
    expect(await run('partners', 'rotate', 'unknown', '--out', inDirectory('never'))).toEqual(failure(4, 'Partner not found'))
    expect(existsSync(inDirectory('never'))).toBe(false)
    const { body } = await tested.client.admin('GET', '/admin/v1/ingest-keys')
    expect(body.ingest_keys.map(({ name }: { name: string }) => name)).toEqual(['filed'])
  })
})

describe('the commands "projects", "accounts" and "ingest-keys"', () => {
  test('a project is registered, changed, shown and listed', async () => {
    const { partnerId } = await tested.client.createPartner('Projects')
    const register = (...more: string[]) =>
      json(REGISTER_PROJECT.answers[200], 'projects', 'register', 'prj-1', '--partner', partnerId, '--name', 'shop', ...more)
    expect((await register('--region', 'eu-west', '--instance-type', 'large')).project).toMatchObject({
      region: 'eu-west',
      instance_type: 'large',
      status: 'active',
    })
    expect((await register('--status', 'deleted', '--deleted-at', '2026-01-05T00:00:00Z', '--yes')).project.status).toBe('deleted')
    expect((await json(GET_PROJECT.answers[200], 'projects', 'show', 'prj-1')).project).toMatchObject({ id: 'prj-1', name: 'shop' })
    const listed = await json(LIST_PROJECTS.answers[200], 'projects', 'list', '--partner', partnerId, '--status', 'deleted', '--search', 'SHO')
    expect(listed.projects.map(({ id }) => id)).toEqual(['prj-1'])
    expect((await run('projects', 'list', '--partner', partnerId)).stdout).toContain('deleted 2026-01-05')
    expect(await run('projects', 'register', 'prj-1', '--partner', partnerId, '--name', 'shop', '--status', 'active')).toEqual(
      failure(1, 'deleted, and that is final'),
    )
    expect(await run('projects', 'register', 'prj-2', '--partner', partnerId)).toEqual(failure(1, '--name'))
    expect(await run('projects', 'register', 'prj-2', '--name', 'n')).toEqual(failure(1, '--partner'))
    expect(await run('projects', 'register')).toEqual(failure(1, '--file'))
    expect(await run('projects', 'show', 'unknown')).toEqual(failure(4, 'Project not found'))
    expect(await run('projects', 'list', '--status', 'blue')).toEqual(failure(1, 'status'))
  })

  test('"projects register --file" registers more than one batch, and reports rejected lines by their numbers', async () => {
    const { partnerId } = await tested.client.createPartner('Batches')
    const line = (id: string) => JSON.stringify({ id, partner_id: partnerId, name: id })
    const lines = Array.from({ length: 1_100 }, (_, index) => line(`b-${index}`))
    // Line 3 is empty, so the lines after it have other numbers than their entries.
    writeFileSync(inDirectory('projects.ndjson'), `\uFEFF${[...lines.slice(0, 2), '', ...lines.slice(2), line('b-7'), line('not an id'), '7'].join('\r\n')}\n`)
    const { code, stdout, stderr } = await run('--json', 'projects', 'register', '--file', inDirectory('projects.ndjson'))
    const answer = readAnswer(REGISTER_PROJECTS.answers[200], stdout)
    expect([code, JSON.parse(stderr)]).toMatchObject([1, { code: 'PROJECTS_REJECTED', error: '2 of 1,103 projects were rejected.' }])
    expect(answer).toMatchObject({ created: 1_100, updated: 0, unchanged: 1, rejected: 2 })
    expect(answer.projects.map(({ index }) => index)).toEqual(Array.from({ length: 1_103 }, (_, index) => index))
    const again = await run('projects', 'register', '--file', inDirectory('projects.ndjson'))
    expect(again.stdout).toMatch(/^0 created, 0 changed, 1101 unchanged, 2 rejected\nline 1103: not an id: .*\nline 1104: without an id: .*\n$/)
  })

  test('"projects register --file" accepts a JSON array and stdin, and sends nothing of a file that is neither', async () => {
    const { partnerId } = await tested.client.createPartner('Array')
    const file = inDirectory('projects.json')
    writeFileSync(file, JSON.stringify([{ id: 'a-1', partner_id: partnerId, name: 'a' }, {}], null, 2))
    expect(await run('projects', 'register', '--file', file)).toMatchObject({ code: 1, stdout: expect.stringMatching(/^1 created.*\nentry 2: without an id/) })
    const stdin = vi
      .spyOn(process, 'stdin', 'get')
      .mockReturnValue(Readable.from([`{"id":"a-2","partner_id":"${partnerId}","name":"b"}`]) as typeof process.stdin)
    expect(await run('projects', 'register', '--file', '-')).toMatchObject({ code: 0, stdout: '1 created, 0 changed, 0 unchanged, 0 rejected\n' })
    stdin.mockRestore()
    writeFileSync(file, `{"id":"a-3","partner_id":"${partnerId}","name":"c"}\n{"id":\n\nb`)
    expect(await run('projects', 'register', '--file', file)).toEqual(failure(1, 'lines that are not JSON: 2, 4. Nothing was sent.'))
    expect(await run('projects', 'show', 'a-3')).toMatchObject({ code: 4 })
    writeFileSync(file, '')
    expect(await run('projects', 'register', '--file', file)).toEqual(failure(1, 'no entry'))
    expect(await run('projects', 'register', '--file', inDirectory('none'))).toEqual(failure(1, 'ENOENT'))
    expect(await run('projects', 'register', 'a-4', '--file', file)).toEqual(failure(1, 'no other option'))
    writeFileSync(file, JSON.stringify([{ id: 'a-5', partner_id: partnerId, name: 'e', status: 'deleted' }]))
    expect(await run('projects', 'register', '--file', file)).toEqual(failure(1, '1 of 1 project is to be deleted, which is final. Register it?'))
  })

  test('an account is listed, shown and changes its plan', async () => {
    const partner = await tested.client.createPartner('Accounts', 'co-branded')
    const { account } = (await tested.client.partner(partner, 'POST', '/connect-user', '{"name":"Ada","email":"ada@example.com"}')).body
    const listed = await json(LIST_ACCOUNTS.answers[200], 'accounts', 'list', '--partner', partner.partnerId)
    expect(listed.accounts).toMatchObject([{ id: account.id, email: 'ada@example.com', plan: 'free' }])
    expect((await json(SET_ACCOUNT_PLAN.answers[200], 'accounts', 'set-plan', account.id, 'paid')).account.plan).toBe('paid')
    expect((await json(GET_ACCOUNT.answers[200], 'accounts', 'show', account.id)).account.plan).toBe('paid')
    expect((await run('accounts', 'show', account.id)).stdout).toMatch(/\nplan +paid\n/)
    expect((await run('accounts', 'list')).stdout).toContain('Ada')
    expect(await run('accounts', 'set-plan', account.id, 'gold')).toEqual(failure(1, 'paid'))
    expect(await run('accounts', 'show', 'unknown')).toEqual(failure(4, 'Account not found'))
  })

  test('an ingest key is created for some partners, listed and revoked', async () => {
    const { partnerId } = await tested.client.createPartner('Keys')
    const { id, key } = await json(CREATE_INGEST_KEY.answers[201], 'ingest-keys', 'create', 'scoped', '--partner', partnerId)
    expect(key).toMatch(/^mli_/)
    expect((await run('ingest-keys', 'create', 'shown')).stdout).toMatch(/^id +\S+\nname +shown\nkey +mli_\S+\n$/)
    expect((await json(REVOKE_INGEST_KEY.answers[200], '--yes', 'ingest-keys', 'revoke', id)).id).toBe(id)
    const listed = (await json(LIST_INGEST_KEYS.answers[200], 'ingest-keys', 'list')).ingest_keys.find((each) => each.id === id)
    expect(listed).toMatchObject({ partner_ids: [partnerId], revoked_at: expect.any(String) })
    expect((await run('ingest-keys', 'list')).stdout).toContain('scoped')
    expect(await run('ingest-keys', 'create', 'k', '--partner', 'unknown')).toEqual(failure(4, 'There is no partner unknown'))
    expect(await run('--yes', 'ingest-keys', 'revoke', 'unknown')).toEqual(failure(4, 'no ingest key'))
  })
})

describe('the command "secrets"', () => {
  test('adds, gets, updates, deletes and restores a secret; "list" hides inactive ones without --all', async () => {
    const added = await json(CREATE_SECRET.answers[201], 'secrets', 'add', 'STRIPE', 'one', '--expires', '2199-01-01T00:00:00Z')
    expect(added.message).toContain('STRIPE')
    expect(await run('secrets', 'get', 'STRIPE')).toEqual({ code: 0, stdout: 'one\n', stderr: '' })
    expect(await json(UPDATE_SECRET.answers[200], 'secrets', 'update', 'STRIPE', '--value', 'two', '--expires', 'never')).toMatchObject({ success: true })
    expect(await json(GET_SECRET.answers[200], 'secrets', 'get', 'STRIPE')).toEqual({ key: 'STRIPE', value: 'two' })
    expect(await json(DELETE_SECRET.answers[200], '--yes', 'secrets', 'delete', 'STRIPE')).toMatchObject({ success: true })
    expect(await run('secrets', 'get', 'STRIPE')).toEqual(failure(4, 'Secret not found: STRIPE'))
    expect((await json(LIST_SECRETS.answers[200], 'secrets', 'list')).secrets).toEqual([])
    expect((await json(LIST_SECRETS.answers[200], 'secrets', 'list', '--all')).secrets).toMatchObject([{ key: 'STRIPE', isActive: false, expiresAt: null }])
    expect((await run('secrets', 'update', 'STRIPE', '--active', 'true', '--reserved', 'true')).code).toBe(0)
    expect((await run('secrets', 'list')).stdout).toMatch(/STRIPE +│ active +│ reserved/)
    expect(await run('--yes', 'secrets', 'delete', 'STRIPE')).toEqual(failure(5, 'Cannot delete reserved secret: STRIPE'))
  })

  test('before a secret is deleted, the schedules whose headers name it are listed', async () => {
    for (const key of ['USED', 'USED_TOO']) await run('secrets', 'add', key, 'x')
    const create = ['schedules', 'create', 'nightly', '--cron', '0 3 1 1 *', '--function-url', 'https://functions.example.com/', '--header']
    const { id } = JSON.parse((await run('--json', ...create, `authorization: Bearer $\{{ secrets.USED }}`)).stdout)
    const uses = 'The schedule nightly uses it: runs fail until it is restored.'
    expect(await run('secrets', 'delete', 'USED')).toEqual(failure(1, `Delete the secret USED? It can be restored. ${uses}`))
    expect(await run('--yes', 'secrets', 'delete', 'USED')).toMatchObject({ code: 0, stderr: `${uses}\n` })
    expect(await run('--yes', 'secrets', 'delete', 'USED_TOO')).toMatchObject({ code: 0, stderr: '' })
    await run('--yes', 'schedules', 'delete', id)
  })

  test('a value is read from stdin, without the line break at its end; an error has the code and the id of the request', async () => {
    const stdin = vi.spyOn(process, 'stdin', 'get')
    stdin.mockReturnValue(Readable.from([' line 1\nline 2\n']) as typeof process.stdin)
    expect((await run('secrets', 'add', 'PEM', '--reserved')).code).toBe(0)
    expect((await json(GET_SECRET.answers[200], 'secrets', 'get', 'PEM')).value).toBe(' line 1\nline 2')
    stdin.mockReturnValue(Readable.from(['other']) as typeof process.stdin)
    expect((await run('secrets', 'update', 'PEM', '--value')).code).toBe(0)
    expect((await run('secrets', 'get', 'PEM')).stdout).toBe('other\n')
    stdin.mockReturnValue(Readable.from(['\n']) as typeof process.stdin)
    expect(await run('secrets', 'add', 'EMPTY')).toEqual(failure(1, 'No value of EMPTY is given'))
    stdin.mockRestore()
    const { code, stderr } = await run('--json', 'secrets', 'add', 'PEM', 'x')
    expect([code, JSON.parse(stderr)]).toEqual([
      1,
      { error: 'Secret already exists: PEM', code: 'INVALID_INPUT', next: null, request_id: expect.any(String), retryable: false },
    ])
    expect(await run('secrets', 'update', 'PEM')).toEqual(failure(1, 'Nothing to change'))
    expect(await run('secrets', 'update', 'PEM', '--active', 'yes')).toEqual(failure(1, '--active "yes" is neither true nor false'))
    expect(await run('secrets', 'add', 'lower', 'x')).toEqual(failure(1, 'uppercase letters'))
    expect(await run('secrets', 'add', 'LATE', 'x', '--expires', 'tomorrow')).toEqual(failure(1, 'ISO 8601'))
  })
})

test('wrong credentials end with code 2, those of another kind or role with 5, and a process writes nothing to stdout then', async () => {
  const { secret, partnerId } = await tested.client.createPartner('Credentials')
  const financeToken = (await run('token', '--role', 'finance')).stdout.trim()
  const calls = [
    ['partners', 'list'],
    ['projects', 'list'],
    ['accounts', 'list'],
    ['ingest-keys', 'list'],
    ['secrets', 'list'],
  ]
  const withToken = (token: string, args: readonly string[]) =>
    runHere(args, { ...environment, METERLINE_ACCESS_TOKEN: token, METERLINE_PARTNER_ID: partnerId })
  for (const args of calls) {
    expect(await withToken('wrong', args)).toEqual(failure(2, 'The credentials are missing or not valid.'))
    expect(await withToken(secret, args)).toEqual(failure(5, 'This command needs an admin token'))
  }
  expect(await withToken(financeToken, ['secrets', 'list'])).toEqual(failure(5, 'role'))
  expect(await runMeterline(['secrets', 'get', 'NONE'], environment)).toEqual(failure(4, /^error: Secret not found: NONE\n$/))
  const down = { ...environment, METERLINE_URL: 'http://127.0.0.1:1' }
  expect(await runMeterline(['--json', 'partners', 'list'], down)).toEqual(failure(1, '"code":"UNREACHABLE"'))
})
