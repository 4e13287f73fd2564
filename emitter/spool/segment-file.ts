import { close, closeSync, fdatasync, fsync, fsyncSync, open, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

/** An open file to which records are appended. */
export class SegmentFile {
  readonly #path: string
  readonly #fd: number
  readonly #onProblem: (message: string) => void
  /** Syncs run one after another, and the file is closed after the last one. */
  #syncing: Promise<void> = Promise.resolve()
  #isDirty = false
  #isFolderSynced = false

  /** Throws if the file exists or the disk does not allow it. */
  constructor(path: string, onProblem: (message: string) => void) {
    this.#path = path
    this.#fd = openSync(path, 'ax', 0o600)
    this.#onProblem = onProblem
  }

  /** When this returns, the operating system has the record, so it survives a kill of this process. Returns how many bytes were written. */
  write(record: Buffer): number {
    this.#isDirty = true
    return writeSync(this.#fd, record)
  }

  /** Makes what was written survive a power cut, without blocking. */
  sync(): void {
    if (!this.#isDirty) return
    this.#isDirty = false
    this.#syncing = this.#syncing.then(() => this.#sync()).catch((error) => this.#onProblem(`${this.#path} could not be synced to the disk: ${String(error)}`))
  }

  /** Blocks until it is on the disk. */
  syncNow(): void {
    fsyncSync(this.#fd)
    const folder = openSync(dirname(this.#path), 'r')
    fsyncSync(folder)
    closeSync(folder)
    this.#isDirty = false
  }

  close(): void {
    this.#syncing.then(() => close(this.#fd, () => {}))
  }

  async #sync(): Promise<void> {
    await promisify(fdatasync)(this.#fd)
    // A power cut takes a new file away, unless its folder was written too.
    if (this.#isFolderSynced) return
    this.#isFolderSynced = true
    const folder = await promisify(open)(dirname(this.#path), 'r')
    await promisify(fsync)(folder)
    await promisify(close)(folder)
  }
}
