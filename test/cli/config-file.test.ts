import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const directory = makeTemporaryDirectory()
const file = join(directory.path, 'meterline.toml')
afterAll(() => directory.remove())

test('an invalid file is rejected with the line of each mistake, before the service is called', async () => {
  const unreachable = { METERLINE_URL: 'http://127.0.0.1:1', METERLINE_ACCESS_TOKEN: 'admin', XDG_CONFIG_HOME: directory.path }
  const problems = async (text: string) => {
    writeFileSync(file, text)
    const { code, stdout, stderr } = await runHere(['config', 'apply', file, '--yes'], unreachable)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^error: \S+ is not valid \(\d+ errors?\):\n.*\nCorrect the file; nothing was sent\./s)
    return stderr.split('\n').slice(1, -2)
  }
  expect(
    await problems(`partner = 1
[[partners]]
name = "A"
modee = "white-label"
[[partners.projects]]
id = "p"
name = "p"
[[partners]]
name = "A"
mode = "blue"
[[partners.projects]]
id = "p 1"
name = "one"
color = "red"
[[partners.projects]]
id = "p-2"
status = "active"
deleted_at = 2026-01-05T00:00:00
[[ingest_keys]]
name = "k"
partners = []`),
  ).toEqual([
    '  line 1: partner: unknown key; allowed are metrics, partners, ingest_keys',
    '  line 4: partners.modee: unknown key; allowed are id, name, mode, billing_from, disabled, projects',
    expect.stringMatching(/^ {2}line 10: partners\.mode: Invalid option/),
    '  line 12: partners.projects.id: must be a project id: 1 to 128 of the characters A-Z a-z 0-9 _ . : -',
    '  line 14: partners.projects.color: unknown key; allowed are id, name, region, instance_type, status, deleted_at, account_id',
    expect.stringMatching(/^ {2}line 15: partners\.projects\.name: Invalid input: expected string/),
    '  line 18: partners.projects.deleted_at: must be an RFC 3339 date-time with a zone',
    expect.stringMatching(/^ {2}line 21: ingest_keys\.partners: Too small/),
  ])
  const project = '[[partners.projects]]\nid = "p"\nname = "n"\n'
  expect(await problems(`[[partners]]\nname = "A"\n${project}${project}[[partners]]\nname = "A"\n`)).toEqual([
    '  line 7: partners.projects.id: is that of an earlier project',
    '  line 8: partners.projects.name: is that of an earlier project of the same partner',
    '  line 10: partners.name: is that of an earlier partner; partners with the same name need their ids',
  ])
  expect(await problems('[[ingest_keys]]\nname = "k"\n[[ingest_keys]]\nname = "k"')).toEqual(['  line 4: ingest_keys.name: is that of an earlier ingest key'])
  expect(await problems('[[partners]]\nname = "A"\nbilling_from = 2026-01\n')).toEqual(['  line 3: illegal character in numeric literal'])
  expect(await problems('partners = [{ name = "" }]')).toContain('  line 1: partners.name: must contain a visible character')
  expect(await runHere(['config', 'plan', `${file}.none`], unreachable)).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') })
})
