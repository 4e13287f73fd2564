import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { ROOT } from '../support/source-files.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const INSTALL_MS_MAX = 300_000
const run = promisify(execFile)
const temporary = makeTemporaryDirectory()
const elsewhere = join(temporary.path, 'elsewhere')
let tested: TestService

beforeAll(async () => {
  tested = await startTestService()
  mkdirSync(elsewhere)
  writeFileSync(join(elsewhere, 'package.json'), '{ "private": true }')
  // The tests have built it already.
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', temporary.path], { cwd: ROOT })
  const [archive = ''] = readdirSync(temporary.path).filter((name) => name.endsWith('.tgz'))
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(temporary.path, archive)], { cwd: elsewhere })
}, INSTALL_MS_MAX)
afterAll(async () => {
  await tested.stop()
  temporary.remove()
})

/** Runs the installed program with nothing else of this clone. */
const meterline = (args: readonly string[], environment: Record<string, string> = {}) =>
  run(join(elsewhere, 'node_modules/.bin/meterline'), args, { cwd: elsewhere, env: { PATH: process.env['PATH'], HOME: temporary.path, ...environment } })

test('the package installs without the engine, and calls a service elsewhere', async () => {
  expect(existsSync(join(elsewhere, 'node_modules/chdb'))).toBe(false)
  const { partnerId, secret } = await tested.client.createPartner('Ours')
  await tested.client.registerProject('shop', partnerId, { name: 'Shop' })
  const environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: secret, METERLINE_PARTNER_ID: partnerId }
  expect((await meterline(['list'], environment)).stdout).toBe((await runHere(['list'], environment)).stdout)
  expect((await meterline(['usage', '--month', '2026-01', '--json'], environment)).stdout).toContain('"partnership"')
})

test('the package has the documentation, and the program that describes itself', async () => {
  expect((await meterline(['docs', 'cli'])).stdout).toMatch(/the command line/i)
  expect(JSON.parse((await meterline(['help', '--json'])).stdout)).toMatchObject({ name: 'meterline' })
})

test('without the engine and without a server, start says what to do', async () => {
  const failed = meterline(['start'], { DATA_DIR: join(temporary.path, 'data'), PORT: '0' })
  await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('npm install chdb@3') })
})

test('the package has what runs and what is read, and nothing else', () => {
  const installed = join(elsewhere, 'node_modules/meterline')
  expect(readdirSync(installed).sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'bin', 'dist', 'docs', 'package.json'])
})
