import { mkdirSync } from 'node:fs'
import type { OpenStore } from '../event-store.ts'
import { DiskStore } from './disk-store.ts'
import { lockFolder } from './lock-folder.ts'
import { Segments } from './segments.ts'

export interface DiskSpoolOptions {
  /** A folder for this emitter alone; it is created if it does not exist. */
  readonly folder: string
  /** Bytes on disk (1 GiB). The event that does not fit is dropped, and reported to onDropped as spool_full. */
  readonly spoolBytesMax?: number | undefined
  /** When a segment has this size, the next begins (256 KiB). It is also about what may be sent again after a crash. */
  readonly segmentBytesMax?: number | undefined
  /** How often what was written is synced to the disk (1,000 ms). */
  readonly syncEveryMs?: number | undefined
}

/**
 * Keeps events in a folder until they have their outcome, for Node. emit() writes each event to its file before it returns, so that a kill of
 * the process loses none; a power cut loses at most the events of the last syncEveryMs. The next emitter with this folder sends what is left,
 * with the same ids. createEmitter() throws SpoolInUse if another process uses the folder.
 */
export function diskSpool({ folder, spoolBytesMax = 1024 ** 3, segmentBytesMax = 256 * 1024, syncEveryMs = 1_000 }: DiskSpoolOptions): OpenStore {
  return (limits) => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const lock = lockFolder(folder)
    const segments = new Segments(folder, limits.onProblem)
    const syncing = setInterval(() => segments.sync(), syncEveryMs)
    syncing.unref()
    return new DiskStore({ ...limits, segments, lock, spoolBytesMax, segmentBytesMax, onClosed: () => clearInterval(syncing) })
  }
}

export { SpoolInUse } from './lock-folder.ts'
