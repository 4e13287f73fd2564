import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DemoClient } from '../../demo/demo-client.ts'
import { emitStory } from '../../demo/emit-story.ts'
import { makeProjects } from '../../demo/world.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const DEMO = fileURLToPath(new URL('../../dist/demo/demo.js', import.meta.url))
const COLUMNS_MAX = 101
const PRINTED_MS_MAX = 150_000

describe('the demo as a process', () => {
  test('the demo prints the outcome, the usage and an audit without differences, and leaves no files behind', async () => {
    const demo = startDemo(['--exit', '--events', '5000'])
    expect(await demo.ended()).toEqual({ code: 0, left: [] })
    expect(demo.stdout()).toContain('Audit: 0 differences')
    expect(demo.stdout()).toContain('1 unknown_metric, 2 invalid_value, 1 invalid_timestamp, 1 timestamp_in_future, 1 conflict')
    expect(demo.stdout()).toMatch(/Statement of \d{4}-\d\d: closed, \d+ project lines, sha256 [0-9a-f]{16}/)
    expect(demo.stdout()).toMatch(/has the adjustment \d{4}-\d\d ai_tokens \+1,234\n/)
    expect(demo.stdout()).toContain('still billed: cobalt-shop, harbor-chat, meadow-notes')
    expect(demo.stdout()).toMatch(/│ cobalt-shop *│ deleted *│/)
    expect(demo.stdout()).toMatch(/│ database_bytes *│ peak \^ *│ byte *│ *[1-9][\d,]+ │/)
    expect(
      Math.max(
        ...demo
          .stdout()
          .split('\n')
          .map(({ length }) => length),
      ),
    ).toBeLessThanOrEqual(COLUMNS_MAX)
    const [sent, accepted, late, duplicates, rejected] = outcomes(demo.stdout())
    expect(sent).toBe((accepted ?? 0) + (duplicates ?? 0) + (rejected ?? 0))
    expect(late).toBeGreaterThan(0)
  })

  test('while the demo serves, the curl that it prints returns the numbers of its table; Ctrl-C ends it cleanly', async () => {
    const demo = startDemo(['--events', '1000'])
    await demo.untilPrinted('until Ctrl-C')
    const curl = /-H 'X-Partnership-Secret: (\S+)' \\\n +-d (\S+) -d (\S+) \\\n +(\S+)/.exec(demo.stdout())
    const [, secret = '', from, to, url] = curl ?? []
    const answer = await (await fetch(`${url}?${from}&${to}`, { headers: { 'X-Partnership-Secret': secret } })).text()
    const shown = /│ ai_credits *│ cumulative *│ credit *│ *([\d,.]+) │/.exec(demo.stdout())?.[1]?.replaceAll(',', '')
    expect(answer).toContain(`"ai_credits":${shown},`)
    demo.child.kill('SIGINT')
    expect(await demo.ended()).toEqual({ code: 0, left: [] })
  })

  test('Ctrl-C while events are sent ends the demo cleanly', async () => {
    const demo = startDemo(['--events', '200000'])
    await demo.untilPrinted('sending about')
    demo.child.kill('SIGINT')
    expect(await demo.ended()).toEqual({ code: 0, left: [] })
  })

  test('a closed output ends the demo cleanly', async () => {
    const demo = startDemo(['--events', '1000'])
    await once(demo.child.stdout, 'data')
    demo.child.stdout.destroy()
    expect(await demo.ended()).toEqual({ code: 0, left: [] })
  })

  test('an unknown argument is an error of one line that lists the options', async () => {
    const demos = [['--quick'], ['quick'], ['--events=5']].map((args) => startDemo(args))
    for (const demo of demos) {
      expect(await demo.ended()).toEqual({ code: 1, left: [] })
      expect(demo.stderr()).toMatch(/^error: .*(?:quick'|"5")[^\n]*Options: --exit .* --events .*\n$/)
    }
  })
})

test('a failed story stops its progress bar, whose timer would keep the process alive', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const client = new DemoClient({ url: 'http://127.0.0.1', adminToken: '' }, AbortSignal.abort())
  const setup = { partner: { partnerId: '', secret: '' }, ingestKey: 'key', projects: makeProjects(['one'], 1) }
  const story = emitStory(client, setup, { firstDayMs: 0, nowMs: 1, events: 100 }, terminal())
  expect(vi.getTimerCount(), 'the bar runs').toBe(1)
  await expect(story).rejects.toThrow('The demo ended')
  expect(vi.getTimerCount()).toBe(0)
})

/** A stream with the methods of a terminal that the progress bar uses. */
function terminal(): Writable {
  return Object.assign(Object.create(process.stderr), { isTTY: true, columns: 100, write: () => true, cursorTo: () => true, clearLine: () => true })
}

function outcomes(stdout: string): number[] {
  return [...stdout.matchAll(/^ +([\d,]+) (?:events sent|accepted|of them late|duplicates|rejected)/gm)].map((match) =>
    Number((match[1] ?? '').replaceAll(',', '')),
  )
}

function startDemo(args: readonly string[]) {
  const temporary = makeTemporaryDirectory()
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [DEMO, ...args], { env: { PATH, HOME, PORT: '0', TMPDIR: temporary.path } })
  const closed = once(child, 'close')
  onTestFinished(() => killIfRunning(child))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  /** Fails with what the demo printed if it ends before. */
  const untilPrinted = async (text: string) => {
    let isClosed = false
    void closed.then(() => {
      isClosed = true
    })
    await vi.waitUntil(() => isClosed || stdout.includes(text), { timeout: PRINTED_MS_MAX })
    expect(stdout, stderr).toContain(text)
  }
  const ended = async () => {
    await closed
    const left = readdirSync(temporary.path).filter((name) => name.startsWith('meterline-'))
    temporary.remove()
    return { code: child.exitCode, left }
  }
  return { child, stdout: () => stdout, stderr: () => stderr, untilPrinted, ended }
}

function killIfRunning(child: ChildProcess): void {
  if (child.exitCode === null) child.kill('SIGKILL')
}
