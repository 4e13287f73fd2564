import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Creates a temporary directory. Returns its path and a function that removes it. */
export function makeTemporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'meterline-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
