import type { DropReason, EventStore, StoredEvent, StoreLimits } from '../event-store.ts'
import { MemoryStore } from '../memory-store.ts'
import type { FolderLock } from './lock-folder.ts'
import type { Segment, Segments } from './segments.ts'

interface SpooledEvent extends StoredEvent {
  /** Undefined if the disk did not accept the event: then it is only in memory. */
  readonly segment: Segment | undefined
}

export interface DiskStoreOptions extends StoreLimits {
  readonly segments: Segments
  readonly lock: FolderLock
  readonly spoolBytesMax: number
  readonly segmentBytesMax: number
  readonly onClosed: () => void
}

/**
 * Events on disk, in segments, the oldest first. The first segments are in memory too, as long as they fit; the others are read when there is
 * room. Those of an earlier process are such others. A segment is deleted when all its events have their outcome: after a crash the remaining
 * segments are sent again as a whole, and the service recognises what it has counted.
 */
export class DiskStore implements EventStore {
  readonly #options: DiskStoreOptions
  readonly #memory: MemoryStore<SpooledEvent>
  /** Segments that are not in memory, the oldest first. */
  readonly #behind: Segment[] = []
  #behindEvents = 0
  #behindBytes = 0
  #bytesOnDisk = 0

  constructor(options: DiskStoreOptions) {
    this.#options = options
    this.#memory = new MemoryStore(options)
    for (const segment of options.segments.left()) {
      this.#bytesOnDisk += segment.bytes
      if (segment.open === 0) this.#remove(segment)
      else this.#putBehind(segment)
    }
  }

  get waitingEvents(): number {
    return this.#memory.waitingEvents + this.#behindEvents
  }

  get waitingBytes(): number {
    return this.#memory.waitingBytes + this.#behindBytes
  }

  get oldestMs(): number | undefined {
    // What was on disk only has waited long enough.
    return this.#memory.oldestMs ?? (this.#behind.length > 0 ? 0 : undefined)
  }

  add(event: StoredEvent): DropReason | undefined {
    const { spoolBytesMax, onProblem } = this.#options
    if (this.#bytesOnDisk + event.bytes > spoolBytesMax) return 'spool_full'
    const isLoaded = this.#behind.length === 0 && this.#memory.hasRoom(event.bytes)
    try {
      const segment = this.#append(event, isLoaded)
      if (isLoaded) this.#memory.push({ ...event, segment })
      else this.#behindEvents += 1
      return undefined
    } catch (error) {
      onProblem(`An event could not be written to the spool and is in memory only: ${String(error)}`)
      this.#endCurrent()
      return this.#memory.add({ ...event, segment: undefined })
    }
  }

  take(eventsMax: number, bytesMax: number): StoredEvent[] {
    while (this.#memory.waitingEvents < eventsMax && this.#loadNext());
    return this.#memory.take(eventsMax, bytesMax)
  }

  forget(events: readonly StoredEvent[]): void {
    this.#memory.forget(events)
    for (const { segment } of events as readonly SpooledEvent[]) {
      if (segment === undefined) continue
      segment.open -= 1
      if (segment.open === 0) this.#remove(segment)
    }
  }

  close(taken: readonly StoredEvent[]): { spooled: number; lost: StoredEvent[] } {
    const { segments, lock, onClosed } = this.#options
    const inMemory = this.#memory.close(taken).lost as SpooledEvent[]
    const lost = inMemory.filter(({ segment }) => segment === undefined)
    const spooled = this.#behindEvents + inMemory.length - lost.length
    this.#attempt(() => segments.endNow())
    this.#attempt(() => lock.release())
    onClosed()
    return { spooled, lost }
  }

  #putBehind(segment: Segment): void {
    this.#behind.push(segment)
    this.#behindEvents += segment.open
    this.#behindBytes += segment.bytes
  }

  #append({ text }: StoredEvent, isLoaded: boolean): Segment {
    const { segments, segmentBytesMax, lock } = this.#options
    let { current } = segments
    if (current === undefined || current.isLoaded !== isLoaded || current.bytes >= segmentBytesMax) {
      if (!lock.isOurs()) throw new Error('another process has taken the folder')
      current = segments.begin(isLoaded)
      if (!isLoaded) this.#putBehind(current)
    }
    const { bytes } = current
    try {
      segments.append(text)
    } finally {
      this.#bytesOnDisk += current.bytes - bytes
      if (!isLoaded) this.#behindBytes += current.bytes - bytes
    }
    return current
  }

  /** Reads the oldest segment that is not in memory, if there is room for it. An empty memory has room for any. */
  #loadNext(): boolean {
    const [segment] = this.#behind
    const { segments } = this.#options
    if (segment === undefined || !(this.#memory.hasRoom(segment.bytes, segment.open) || this.#memory.waitingEvents === 0)) return false
    this.#behind.shift()
    this.#behindEvents -= segment.open
    this.#behindBytes -= segment.bytes
    if (segments.current === segment) this.#endCurrent()
    this.#attempt(() => this.#load(segment))
    return true
  }

  /** Throws if the file cannot be read; it stays for the next start. */
  #load(segment: Segment): void {
    const texts = this.#options.segments.read(segment)
    segment.isLoaded = true
    segment.open = texts.length
    for (const text of texts) this.#memory.push({ text, bytes: Buffer.byteLength(text), addedMs: 0, segment })
    if (segment.open === 0) this.#remove(segment)
  }

  #remove(segment: Segment): void {
    this.#bytesOnDisk -= segment.bytes
    this.#attempt(() => this.#options.segments.remove(segment))
  }

  #endCurrent(): void {
    this.#attempt(() => this.#options.segments.end())
  }

  #attempt(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#options.onProblem(String(error))
    }
  }
}
