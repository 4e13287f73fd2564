import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ROOT } from '../support/source-files.ts'

const Entry = z.looseObject({ version: z.string().optional(), integrity: z.string().optional(), license: z.string().optional(), dev: z.boolean().optional() })
const { packages } = z.object({ packages: z.record(z.string(), Entry) }).parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')))
const installed = Object.entries(packages).filter(([path]) => path !== '')

/** The registry that CI uses does not have them, so their hashes could not be read. Whoever installs on such a platform adds one. */
const WITHOUT_INTEGRITY = ['@chdb/lib-darwin-arm64', '@chdb/lib-darwin-x64', '@chdb/lib-linux-arm64-gnu'].map((name) => `node_modules/${name}`)
/** Licences that allow use and distribution without conditions beyond naming the authors. */
const LICENSES = ['Apache-2.0', 'MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', '0BSD', 'MIT-0']

test('every package in the lock file has the hash of what is installed', () => {
  expect(installed.length).toBeGreaterThan(400)
  expect(
    installed.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? '')).map(([path]) => path),
    'exactly the exceptions',
  ).toEqual(WITHOUT_INTEGRITY)
})

test('every package that production installs has a permissive licence', () => {
  const production = installed.filter(([path, { dev }]) => dev !== true && !WITHOUT_INTEGRITY.includes(path))
  expect(production.length).toBeGreaterThan(100)
  expect(production.filter(([, { license }]) => !LICENSES.includes(license ?? '')).map(([path, { license }]) => `${path}: ${license}`)).toEqual([])
})
