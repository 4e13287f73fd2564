import { constants, copyFile, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, posix } from 'node:path'
import { LeadsElsewhere, makeFolder } from './safe-folder.ts'
import type { DeliveredObject, PutOutcome, Sink } from './sink.ts'

/**
 * Delivers into a folder inside EXPORT_DIR. An object is copied beside its place, written through to disk and then renamed, so that a
 * reader never sees a part of it: a crash leaves a file that begins with a dot, which the next delivery of the object replaces.
 */
export class FolderSink implements Sink {
  readonly #root: string
  readonly #folder: string

  constructor(root: string, folder: string) {
    this.#root = root
    this.#folder = folder
  }

  async put({ name, file }: DeliveredObject): Promise<PutOutcome> {
    try {
      const folder = await makeFolder(this.#root, posix.join(this.#folder, dirname(name)))
      const partial = join(folder, `.${basename(name)}.part`)
      await rm(partial, { force: true })
      // Exclusive: a link that somebody puts there must not be followed.
      await copyFile(file, partial, constants.COPYFILE_EXCL)
      await writeThrough(partial)
      await rename(partial, join(folder, basename(name)))
      await writeThrough(folder)
      return { status: 'stored' }
    } catch (thrown) {
      if (thrown instanceof LeadsElsewhere) return { status: 'failed', statusCode: null, reason: thrown.message }
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined
      if (code === undefined) throw thrown
      return { status: 'failed', statusCode: null, reason: `The folder cannot be written (${code}).` }
    }
  }
}

async function writeThrough(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
