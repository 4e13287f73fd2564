import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { HAS_KAFKA } from '../support/engines/kafka-broker.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const KILLS = 6
const SEED = 4711
/** Each is of another day of one and a half years, so a batch has only a few hundred of them. */
const OLD_EVENTS = 3_000
const MS_MAX = 20 * 60_000

describe.skipIf(!HAS_KAFKA)('chaos', () => {
  test(`P1 P2 P3 P7: ${KILLS} kills of broker, store, ingest and api processes under load lose no event, count none twice and keep every rejection`, {
    timeout: MS_MAX,
  }, async ({ signal }) => {
    const args = ['--kills', String(KILLS), '--seed', String(SEED), '--old-events', String(OLD_EVENTS), '--without-baseline']
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/chaos/chaos.ts', ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // After a time-out the program stops the processes that it has started.
    signal.addEventListener('abort', () => child.kill('SIGTERM'))
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += String(chunk)
    })
    await once(child, 'close')
    console.info(output)
    expect(output.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^chaos: ${KILLS} kills, [1-9]\\d* events, 0 differences$`))
    expect(child.exitCode).toBe(0)
  })
})
