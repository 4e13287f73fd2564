import { execFile } from 'node:child_process'
import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inject } from 'vitest'
import type { TestProject } from 'vitest/node'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { runMeterline } from './service-process.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A data directory (DATA_DIR) whose embedded engine has all tables and no rows. Copying it is faster than the migrations. */
    migratedDirectory: string
  }
}

/** Builds what tests start as a process, and makes the directory. Vitest calls this first, and what it returns after the last test file. */
export async function setup({ provide }: TestProject): Promise<() => void> {
  // As users build it: with the NODE_ENV of the test runner, Vite would add to the pages what only development needs.
  await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: ROOT, env: { ...process.env, NODE_ENV: 'production' } })
  const { path, remove } = makeTemporaryDirectory()
  const migrated = await runMeterline(['migrate'], { DATA_DIR: path })
  if (migrated.code !== 0) throw new Error(migrated.stderr)
  provide('migratedDirectory', path)
  return remove
}

/** Gives a test a data directory of its own. */
export function copyMigratedDirectory(dataDir: string): void {
  cpSync(inject('migratedDirectory'), dataDir, { recursive: true, verbatimSymlinks: true })
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
