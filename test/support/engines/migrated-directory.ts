import type { TestProject } from 'vitest/node'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { runMeterline } from './service-process.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A data directory (DATA_DIR) whose embedded engine has all tables and no rows. Copying it is faster than the migrations. */
    migratedDirectory: string
  }
}

/** Makes the directory. Vitest calls this before the first test file, and what it returns after the last. */
export async function setup({ provide }: TestProject): Promise<() => void> {
  const { path, remove } = makeTemporaryDirectory()
  const migrated = await runMeterline(['migrate'], { DATA_DIR: path })
  if (migrated.code !== 0) throw new Error(migrated.stderr)
  provide('migratedDirectory', path)
  return remove
}
