import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
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
  await tested.stop()
  directory.remove()
})

const run = (...args: string[]) => runHere(args, environment)
let files = 0
function write(text: string): string {
  files += 1
  const file = join(directory.path, `${files}.toml`)
  writeFileSync(file, text)
  return file
}

/** The reasons why something is skipped, by its name. */
async function skippedOf(text: string): Promise<Record<string, string>> {
  const { code, stdout } = await run('--json', 'config', 'plan', write(text))
  expect(code).toBe(0)
  const { skipped }: { skipped: { name: string; reason: string }[] } = JSON.parse(stdout)
  return Object.fromEntries(skipped.map(({ name, reason }) => [name, reason]))
}

describe('the command "config"', () => {
  test('what the service cannot do is skipped with its reason, and the rest is done', async () => {
    const { partnerId } = await tested.client.createPartner('Fixed')
    const other = await tested.client.createPartner('Other')
    await Promise.all(['Twice', 'Twice', 'Pair', 'Pair'].map((name) => tested.client.createPartner(name)))
    await tested.client.registerProject('fixed-deleted', partnerId, { status: 'deleted', deleted_at: '2026-01-01T00:00:00Z' })
    await tested.client.registerProject('of-other', other.partnerId)
    await tested.client.registerProject('named', partnerId)
    await tested.client.createIngestKey('fixed-key')
    const project = (id: string, more = '') => `[[partners.projects]]\nid = "${id}"\nname = "${id}"\n${more}\n`
    const reasons = await skippedOf(`
[[partners]]
name = "Fixed"
mode = "co-branded"
billing_from = "2001-01"
${project('fixed-deleted', 'status = "active"')}${project('of-other')}${project('with-account', 'account_id = "a"')}
[[partners.projects]]
id = "namesake"
name = "named"
[[partners]]
name = "Twice"
${project('of-twice')}
[[partners]]
id = "unknown"
name = "Unknown"
[[ingest_keys]]
name = "fixed-key"
partners = ["Fixed"]
[[ingest_keys]]
name = "key-of-none"
partners = ["None"]
[[ingest_keys]]
name = "key-of-two"
partners = ["Pair"]
[[ingest_keys]]
name = "key-of-skipped"
partners = ["Twice"]`)
    expect(reasons).toEqual({
      Fixed: expect.stringMatching(/^billing_from cannot be 2001-01: it is \d+ months ago; .* partners update ps_\w+ --billing-from 2001-01$/),
      'fixed-deleted': 'it is deleted, and that is final',
      'of-other': `it belongs to the partner "Other" (${other.partnerId}), and that never changes`,
      'with-account': 'only projects of co-branded partners have an account',
      namesake: 'the project named of the same partner has the name "named"',
      Twice: expect.stringContaining('2 partners have this name'),
      'of-twice': 'its partner "Twice" is skipped',
      Unknown: expect.stringContaining('leave out the id'),
      'fixed-key': expect.stringMatching(/^the key of this name is for all projects, .* ingest-keys revoke /),
      'key-of-none': 'neither the file nor the service has a partner "None": check the name, or give the id',
      'key-of-two': expect.stringMatching(/^several partners have the name "Pair": give the id of the one that is meant \(ps_\w+, ps_\w+\)$/),
      'key-of-skipped': 'its partner "Twice" is skipped',
    })
    expect(await skippedOf('[[partners]]\nname = "Fixed"\nmode = "co-branded"')).toEqual({ Fixed: 'its mode is white-label, which never changes' })
    expect(await skippedOf(`[[partners]]\nid = "${partnerId}"\nname = "Renamed"`)).toEqual({
      Renamed: 'its name is "Fixed", and the service cannot rename a partner',
    })
    expect(await skippedOf(`[[partners]]\nname = "Fixed"\n${project('fixed-deleted', 'status = "deleted"\ndeleted_at = "2026-01-02T00:00:00Z"')}`)).toEqual({
      'fixed-deleted': expect.stringMatching(/^it was deleted at 2026-01-01T00:00:00\S*, and that never changes$/),
    })
    const applied = await run('--yes', 'config', 'apply', write(`[[partners]]\nname = "Fixed"\nmode = "co-branded"\n${project('fixed-new')}`))
    expect(applied).toMatchObject({
      code: 1,
      stderr: 'error: 1 entry of the file was skipped.\nCorrect the file, then apply it again.\n',
      stdout: 'created: project fixed-new of Fixed\nskipped: partner Fixed: its mode is white-label, which never changes\n1 of 1 step is done.\n',
    })
  })

  test('a file of which every change is skipped ends with code 1, also where there is nothing else to do', async () => {
    await tested.client.createPartner('Unmoved')
    const file = write('[[partners]]\nname = "Unmoved"\nmode = "co-branded"\n')
    expect(await run('--json', 'config', 'apply', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('"code":"ENTRIES_SKIPPED"') })
    expect(await run('config', 'apply', file)).toMatchObject({ code: 1, stdout: expect.stringMatching(/^skipped: partner Unmoved: .*\nNothing was done\.\n$/) })
  })
})
