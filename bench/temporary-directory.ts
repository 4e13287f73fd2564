import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Closers } from '../service/closers.ts'

/** Creates a directory that is removed when the measurement ends. */
export function makeTemporaryDirectory(closers: Closers): string {
  const path = mkdtempSync(join(tmpdir(), 'meterline-bench-'))
  closers.add(async () => rmSync(path, { recursive: true, force: true }))
  return path
}
