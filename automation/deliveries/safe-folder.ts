import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

/** Whether a text is a relative path that stays below the folder that it begins in. */
export function isSafePath(text: string): boolean {
  const parts = text.split('/')
  return parts.every((part) => part !== '' && part !== '.' && part !== '..' && SAFE_PART.test(part))
}

/** No backslash, which separates parts on Windows, and no control character. A file name has at most 255 bytes. */
const SAFE_PART = /^[^\\\p{Cc}]{1,60}$/u

/**
 * Creates a folder below `root`, and returns its path. Each part is checked after it was created and before the next one is: a link
 * that leads elsewhere is rejected, and nothing is created behind it. Throws LeadsElsewhere, and what node:fs throws.
 */
export async function makeFolder(root: string, path: string): Promise<string> {
  if (!isSafePath(path)) throw new LeadsElsewhere()
  let folder = await realpath(root)
  for (const part of path.split('/')) {
    folder = join(folder, part)
    await mkdir(folder, { mode: 0o750 }).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'EEXIST') throw thrown
    })
    if ((await realpath(folder)) !== folder) throw new LeadsElsewhere()
  }
  return folder
}

/** A path that does not stay inside EXPORT_DIR. */
export class LeadsElsewhere extends Error {
  constructor() {
    super('The folder leads out of EXPORT_DIR.')
    this.name = 'LeadsElsewhere'
  }
}
