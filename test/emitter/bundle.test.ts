import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { bundleEntry } from '../../emitter/bundle.ts'
import type { createEmitter } from '../../emitter/emitter.ts'
import { readConformance } from '../support/emitter/conformance-case.ts'
import { runCase } from '../support/emitter/run-case.ts'
import { ROOT } from '../support/source-files.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const GZIP_BYTES_MAX = 8 * 1024

test('the bundle of the HTTP part has at most 8 KiB after gzip, and imports nothing', async () => {
  const bundle = await bundleEntry('emitter')
  expect(gzipSync(bundle).length).toBeLessThanOrEqual(GZIP_BYTES_MAX)
  expect(bundle).not.toMatch(/\bimport\b|\brequire\b|\bprocess\b|\bBuffer\b/)
})

test('the built package runs in Node without this project, and its types describe what it does', async () => {
  const { path, remove } = makeTemporaryDirectory()
  const run = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: path, env: {} })
  try {
    mkdirSync(join(path, 'node_modules/@meterline'), { recursive: true })
    const target = join(path, 'node_modules/@meterline/emitter')
    await promisify(execFile)(process.execPath, ['--import', 'tsx', 'emitter/build-package.ts', target], { cwd: ROOT })
    writeFileSync(join(path, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(path, 'use.mts'), USE)
    // Without skipLibCheck, so that the declarations of the package are checked too. It also fails if the wrong metric is no error.
    await run(COMPILER, '--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom', '--types', '', 'use.mts')
    const { stdout } = await run('use.mjs')
    expect(JSON.parse(stdout)).toEqual({ delivered: 0, rejected: 0, dropped: 0, spooled: 2 })
    writeFileSync(join(path, 'idle.mjs'), IDLE)
    await run('idle.mjs')
  } finally {
    remove()
  }
})

const COMPILER = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const USE = `
  import { createEmitter } from '@meterline/emitter'
  import { kafkaTopic } from '@meterline/emitter/kafka'
  import { diskSpool } from '@meterline/emitter/spool'
  import { collectFolderSizes, projectByPattern } from '@meterline/emitter/collectors'
  const emitter = createEmitter({ url: 'http://127.0.0.1:1', key: 'k', spool: diskSpool({ folder: 'spool' }) })
  emitter.emit({ project_id: 'p1', metric: 'ai_tokens', value: 1 })
  // @ts-expect-error: a metric is a text
  const wrong = { project_id: 'p1', metric: 5, value: 1 } satisfies Parameters<typeof emitter.emit>[0]
  const folder = { folder: '.', projectOf: projectByPattern('^(?<project>node_modules)$'), slotMs: 3_600_000, nowMs: 0 }
  for (const sample of (await collectFolderSizes(folder)).samples) emitter.emit(sample)
  console.log(JSON.stringify(await emitter.close({ timeout: 50 })))
  export { kafkaTopic, wrong }
`

/** Nothing waits for its events, so none of its timers may keep the process alive; otherwise it would never end. */
const IDLE = `
  import { createEmitter } from '@meterline/emitter'
  const emitter = createEmitter({ url: 'http://127.0.0.1:1', key: 'k' })
  emitter.emit({ project_id: 'p1', metric: 'ai_tokens', value: 1 })
  emitter.add({ project_id: 'p1', metric: 'ai_tokens' })
  emitter.gauge({ project_id: 'p1', metric: 'database_size_bytes', everyMs: 1000, read: () => 1 })
`

test('the Kafka part imports nothing, and the spool and the collectors only modules of Node', async () => {
  expect(await bundleEntry('kafka')).not.toMatch(/\bimport\b/)
  const imported = [...((await bundleEntry('spool')) + (await bundleEntry('collectors'))).matchAll(/\bfrom"([^"]+)"/g)].map(([, name]) => name)
  expect(imported.filter((name) => !name?.startsWith('node:'))).toEqual([])
})

test('the bundle passes every conformance case with no globals but those that browsers, workers, Bun and Deno share', async () => {
  const shared = { AbortController, crypto: { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) }, queueMicrotask }
  const context = createContext(shared)
  const bundled = runInContext(`${await bundleEntry('emitter', 'meterline')}; meterline`, context) as { createEmitter: typeof createEmitter }
  const conformance = readConformance()
  for (const each of conformance.cases)
    for (const { happened, expected } of await runCase(each, conformance, bundled.createEmitter)) expect(happened, each.name).toEqual(expected)
})
