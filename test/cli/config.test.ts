import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BreakingProxy, startBreakingProxy } from '../support/clients/breaking-proxy.ts'
import { runHere } from '../support/clients/run-here.ts'
import { runMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let environment: Record<string, string>
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken, XDG_CONFIG_HOME: directory.path }
})
afterAll(async () => {
  for (const proxy of proxies) proxy.close()
  await tested.stop()
  directory.remove()
})

const inDirectory = (name: string) => join(directory.path, name)
const run = (...args: string[]) => runHere(args, environment)
const THIS_MONTH = new Date().toISOString().slice(0, 7)
const proxies: BreakingProxy[] = []
let files = 0
function write(text: string): string {
  files += 1
  const file = inDirectory(`${files}.toml`)
  writeFileSync(file, text)
  return file
}

interface PlanDocument {
  readonly steps: readonly { readonly action: string; readonly kind: string; readonly id: string | null; readonly name: string; readonly error?: unknown }[]
  readonly skipped: readonly { readonly kind: string; readonly name: string; readonly reason: string }[]
  readonly not_in_file: { readonly partners: readonly string[]; readonly projects: readonly string[]; readonly ingest_keys: readonly string[] }
  readonly unchanged: number
}

async function plan(file: string): Promise<PlanDocument> {
  const { code, stdout, stderr } = await run('--json', 'config', 'plan', file)
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

const NEW = `
[[partners]]
name = "Acme \\"Cloud\\""
mode = "co-branded"
billing_from = "2026-01"
disabled = true
[[partners.projects]]
id = "acme-1"
name = "shop"
region = "eu-west"
[[partners.projects]]
id = "acme-2"
name = "shop"
status = "deleted"
deleted_at = 2026-01-05T00:00:00Z
[[partners]]
name = "Beta"
[[ingest_keys]]
name = "gateway"
[[ingest_keys]]
name = "gateway-acme"
partners = ["Acme \\"Cloud\\"", "Beta"]
`

describe('the command "config"', () => {
  test('"plan" shows what a file creates, "apply" does it and writes the secrets to a file of mode 0600; a second time there is nothing to do', async () => {
    const file = write(NEW)
    const shown = await run('config', 'plan', file)
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toBe(
      [
        '+ partner Acme "Cloud"',
        '    mode          co-branded',
        '    billing_from  2026-01',
        '    state         disabled',
        '+ partner Beta',
        '    mode  white-label',
        '+ project acme-1 of Acme "Cloud"',
        '    name    shop',
        '    region  eu-west',
        '+ project acme-2 of Acme "Cloud"',
        '    name        shop',
        '    status      deleted',
        '    deleted_at  2026-01-05T00:00:00.000Z',
        '+ ingest key gateway',
        '    partners  all',
        '+ ingest key gateway-acme',
        '    partners  Acme "Cloud", Beta',
        '6 to create, 0 to change, 0 skipped, 0 unchanged',
        '',
      ].join('\n'),
    )
    const secretsFile = inDirectory('secrets.ndjson')
    expect(await run('config', 'apply', file, '--yes')).toEqual({ code: 1, stdout: '', stderr: expect.stringContaining('--secrets-out') })
    expect(await run('config', 'apply', file, '--secrets-out', secretsFile)).toEqual({ code: 1, stdout: '', stderr: expect.stringContaining('Add --yes') })
    expect([existsSync(secretsFile), (await plan(file)).steps.length]).toEqual([false, 6])

    const applied = await run('--json', '--yes', 'config', 'apply', file, '--secrets-out', secretsFile)
    expect([applied.code, applied.stderr]).toEqual([0, ''])
    const secrets = readFileSync(secretsFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(secrets.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'partner Acme "Cloud"',
      'partner Beta',
      'ingest_key gateway',
      'ingest_key gateway-acme',
    ])
    expect(statSync(secretsFile).mode & 0o777).toBe(0o600)
    for (const { secret } of secrets) expect(applied.stdout).not.toContain(secret)
    const beta = { partnerId: secrets[1].id, secret: secrets[1].secret }
    expect((await tested.client.partner(beta, 'GET', '/usage')).status).toBe(200)
    const { body } = await tested.client.admin('GET', `/admin/v1/partners/${secrets[0].id}`)
    expect(body.partner).toMatchObject({ mode: 'co-branded', billing_from: '2026-01', disabled_at: expect.any(String) })
    expect((await tested.client.admin('GET', '/admin/v1/projects/acme-2')).body.project).toMatchObject({
      status: 'deleted',
      deleted_at: expect.stringMatching(/^2026-01-05T00:00:00/),
    })

    expect(await plan(file)).toMatchObject({ steps: [], skipped: [], unchanged: 6 })
    expect(await run('config', 'apply', file)).toEqual({ code: 0, stdout: 'There is nothing to do.\n', stderr: '' })
    expect(await run('--yes', 'config', 'apply', write(`[[partners]]\nname = "Never"\n`), '--secrets-out', secretsFile)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('exists and is not overwritten'),
    })
  })

  test('a change is shown with what it replaces; what the file leaves out is not changed, and what it does not name stays', async () => {
    const { partnerId } = await tested.client.createPartner('Changed')
    await tested.client.registerProject('changed-1', partnerId, { region: 'us-west', instance_type: 'large', status: 'paused' })
    await tested.client.registerProject('changed-2', partnerId)
    await tested.client.createIngestKey('not in the file')
    const file = write(
      '[[partners]]\nname = "Changed"\nbilling_from = "2026-03"\n[[partners.projects]]\nid = "changed-1"\nname = "new name"\nregion = "eu-west"\n',
    )
    const { stdout } = await run('config', 'plan', file)
    expect(stdout).toContain(`~ partner Changed\n    billing_from  ${THIS_MONTH} -> 2026-03\n~ project changed-1 of Changed\n`)
    expect(stdout).toContain('    name    changed-1 -> new name\n    region  us-west -> eu-west\n')
    expect(stdout).toMatch(/left as it is: project .*changed-2/)
    expect((await plan(file)).not_in_file.ingest_keys).toContain('not in the file')
    expect(await run('--yes', 'config', 'apply', file)).toEqual({
      code: 0,
      stdout: `changed: partner Changed (${partnerId})\nchanged: project changed-1 of Changed\n2 of 2 steps are done.\n`,
      stderr: '',
    })
    expect((await tested.client.admin('GET', '/admin/v1/projects/changed-1')).body.project).toMatchObject({
      ...{ name: 'new name', region: 'eu-west', instance_type: 'large', status: 'paused' },
    })
    expect((await plan(file)).steps).toEqual([])
  })

  test('an interrupted apply says what is done, keeps the secrets that were made, and is finished by a second one', async () => {
    const file = write('[[partners]]\nname = "Halfway"\n[[partners.projects]]\nid = "halfway-1"\nname = "a"\n[[ingest_keys]]\nname = "halfway"\n')
    const proxy = await startBreakingProxy(tested.service.url, 'before', 'POST /admin/v1/projects/batch')
    proxies.push(proxy)
    const secrets = inDirectory('halfway-1.ndjson')
    const interrupted = await runHere(['--yes', 'config', 'apply', file, '--secrets-out', secrets], { ...environment, METERLINE_URL: proxy.url })
    expect(interrupted).toMatchObject({ code: 1, stdout: '' })
    expect(interrupted.stderr).toMatch(/^created: partner Halfway \(ps_\w+\)\nerror: .* 1 of 3 steps is done\.\nApply the file again for the rest\.\n$/s)
    expect(readFileSync(secrets, 'utf8')).toMatch(/^\{"kind":"partner",.*"secret":"mls_\S+"\}\n$/)
    expect((await plan(file)).steps.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['project a', 'ingest_key halfway'])
    expect((await run('--yes', 'config', 'apply', file, '--secrets-out', inDirectory('halfway-2.ndjson'))).code).toBe(0)
    expect((await plan(file)).steps).toEqual([])
  })

  test('a creation whose answer does not arrive is not repeated, and the message says that its secret is lost', async () => {
    const file = write('[[partners]]\nname = "Unanswered"\n')
    const proxy = await startBreakingProxy(tested.service.url, 'after', 'POST /admin/v1/partners')
    proxies.push(proxy)
    const secrets = inDirectory('unanswered.ndjson')
    const { code, stderr } = await runHere(['--json', '--yes', 'config', 'apply', file, '--secrets-out', secrets], {
      ...environment,
      METERLINE_URL: proxy.url,
    })
    expect([code, JSON.parse(stderr)]).toMatchObject([
      1,
      { code: 'UNREACHABLE', next: 'Apply the file again for the rest. If the next plan finds "Unanswered" created, its secret is lost: rotate or revoke it.' },
    ])
    expect(existsSync(secrets)).toBe(false)
    expect(await plan(file)).toMatchObject({ steps: [], unchanged: 1 })
  })

  test('a project that the service rejects is reported, does not stop the others, and ends with code 1', async () => {
    const { partnerId } = await tested.client.createPartner('Swapped')
    await tested.client.registerProject('swapped-1', partnerId)
    await tested.client.registerProject('swapped-2', partnerId)
    const file = write(
      '[[partners]]\nname = "Swapped"\n[[partners.projects]]\nid = "swapped-1"\nname = "swapped-2"\n[[partners.projects]]\nid = "swapped-2"\nname = "free"\n',
    )
    const { code, stdout, stderr } = await run('--yes', 'config', 'apply', file)
    expect([code, stderr]).toEqual([1, 'error: 1 project was rejected.\nCorrect the file, then apply it again.\n'])
    expect(stdout).toMatch(/^rejected: project swapped-1 of Swapped: .* \(NAME_TAKEN\)\nchanged: project swapped-2 of Swapped\n1 of 2 steps is done\.\n$/)
    expect((await run('--yes', 'config', 'apply', file)).stdout).toBe('changed: project swapped-1 of Swapped\n1 of 1 step is done.\n')
  })

  /** After the others, so that it exports what they have made: partners of one name, disabled and co-branded ones, deleted projects. */
  test('"export" writes a file that plans nothing, is the same each time, and contains no secret', async () => {
    const partner = await tested.client.createPartner('With accounts', 'co-branded')
    const { account } = (await tested.client.partner(partner, 'POST', '/connect-user', '{"name":"Ada","email":"ada@example.com"}')).body
    await tested.client.registerProject('with-account', partner.partnerId, { account_id: account.id })
    await tested.client.createIngestKey('same name')
    await tested.client.createIngestKey('same name')
    const file = inDirectory('exported.toml')
    const exported = await run('config', 'export', file)
    expect(exported).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S+: \d+ partners, \d+ projects, \d+ ingest keys\n$/) })
    expect(exported.stderr).toMatch(/^Left out: the ingest key \S+, because an older one is called "same name" too\.\n$/)
    const text = readFileSync(file, 'utf8')
    expect(text).toMatch(/^# Configuration of Meterline at http\S+, written by .*\n# .*\n# .*\n# Left out: /)
    expect(text).not.toMatch(/ml[ski]_/)
    expect(await plan(file)).toMatchObject({ steps: [], skipped: [], not_in_file: { partners: [], projects: [], ingest_keys: [] } })
    expect((await run('config', 'export')).stdout).toBe(`${text.trimEnd()}\n`)
    const { stdout } = await run('--json', 'config', 'export')
    expect(JSON.parse(stdout).partners.map(({ name }: { name: string }) => name)).toContain('With accounts')
    expect(await run('config', 'export', file)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('Add --yes') })
    expect((await run('--yes', 'config', 'export', file)).code).toBe(0)
    expect(await run('config', 'export', inDirectory('none/x.toml'))).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('ENOENT') })
  })

  test('wrong credentials end with code 2, those of another kind with 5, and stdout stays empty', async () => {
    const { secret } = await tested.client.createPartner('Credentials')
    const file = write('')
    const wrong = { ...environment, METERLINE_ACCESS_TOKEN: 'wrong' }
    expect(await runMeterline(['config', 'plan', file], wrong)).toMatchObject({ code: 2, stdout: '' })
    for (const args of [['plan', file], ['apply', file], ['export']]) {
      expect(await runHere(['config', ...args], wrong)).toMatchObject({ code: 2, stdout: '' })
      expect(await runHere(['config', ...args], { ...environment, METERLINE_ACCESS_TOKEN: secret })).toMatchObject({ code: 5, stdout: '' })
    }
  })
})
