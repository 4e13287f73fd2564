import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const DEMO = fileURLToPath(new URL('../../cli/demo.ts', import.meta.url))

test('the demo tells its story, proves its numbers and leaves nothing behind', async () => {
  const { code, stdout, left } = await runDemo(['--exit', '--events', '5000'])
  expect(stdout).toContain('Audit: 0 differences')
  expect(stdout).toMatch(/counted, \d+ duplicates told .* 1 conflict/)
  expect(stdout).toContain('billed all the same: cobalt-shop, harbor-chat, meadow-notes')
  expect(stdout).toMatch(/│ database_bytes *│ peak \^ *│ byte *│ *[\d,]+ │/)
  expect(stdout).toMatch(/curl -H 'X-Partnership-Secret: mls_/)
  expect(code).toBe(0)
  expect(left).toEqual([])
})

test('Ctrl-C in the middle of the story ends it in good order', async () => {
  const { code, left } = await runDemo(['--events', '200000'], 'SIGINT')
  expect(code).toBe(0)
  expect(left).toEqual([])
})

test('an argument that it does not know is an error that names it', async () => {
  const { code, stderr } = await runDemo(['--quick'])
  expect(code).toBe(1)
  expect(stderr).toContain("'--quick'")
})

async function runDemo(args: readonly string[], signalAfterFirstLine?: NodeJS.Signals) {
  const temporary = makeTemporaryDirectory()
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', DEMO, ...args], { env: { PATH, HOME, PORT: '0', TMPDIR: temporary.path } })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    if (stdout === '' && signalAfterFirstLine !== undefined) child.kill(signalAfterFirstLine)
    stdout += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  await once(child, 'close')
  const left = readdirSync(temporary.path).filter((name) => name.startsWith('meterline-'))
  temporary.remove()
  return { code: child.exitCode, stdout, stderr, left }
}
