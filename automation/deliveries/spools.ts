import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MS_PER_DAY } from '../../metering/timestamp.ts'

/** What the names of directories begin with in which a file is written before it is delivered. */
export const SPOOL_PREFIX = '.meterline-delivery-'

/** Removes what killed processes have left; another process may be at work on a newer one. */
export async function removeOldSpools(root: string, nowMs: number): Promise<void> {
  const names = (await readdir(root).catch(() => [])).filter((name) => name.startsWith(SPOOL_PREFIX))
  for (const path of names.map((name) => join(root, name))) {
    const modifiedMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? nowMs
    if (nowMs - modifiedMs > MS_PER_DAY) await rm(path, { recursive: true, force: true })
  }
}
