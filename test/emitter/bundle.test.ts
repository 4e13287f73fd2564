import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { bundleEntry } from '../../emitter/bundle.ts'
import type { createEmitter } from '../../emitter/emitter.ts'
import { readConformance } from '../support/emitter/conformance-case.ts'
import { runCase } from '../support/emitter/run-case.ts'

const GZIP_BYTES_MAX = 8 * 1024

test('the bundle of the HTTP part has at most 8 KiB after gzip, and imports nothing', async () => {
  const bundle = await bundleEntry('emitter')
  expect(gzipSync(bundle).length).toBeLessThanOrEqual(GZIP_BYTES_MAX)
  expect(bundle).not.toMatch(/\bimport\b|\brequire\b|\bprocess\b|\bBuffer\b/)
})

test('the Kafka part imports nothing, and the spool only modules of Node', async () => {
  expect(await bundleEntry('kafka')).not.toMatch(/\bimport\b/)
  const imported = [...(await bundleEntry('spool')).matchAll(/\bfrom"([^"]+)"/g)].map(([, name]) => name)
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
