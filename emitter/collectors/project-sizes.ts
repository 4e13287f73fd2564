import type { PeakMetric } from '../event.ts'
import { nextSlotMs, slotEventId, slotStartMs } from '../slots.ts'
import { type Collection, IgnoredCount, type ProjectOf, type Sample, type SourceFailure } from './collection.ts'

/** A sample of a level. Its id is that of the emitter's gauges: of several processes that sample the same slot, one counts. */
export function levelSample({ project_id, metric, bytes, slotMs, nowMs }: Level): Sample {
  const startMs = slotStartMs(nowMs, slotMs)
  return { event_id: slotEventId(metric, slotMs, startMs), project_id, metric, value: String(bytes), timestamp: new Date(startMs).toISOString() }
}

interface Level extends SlotOptions {
  readonly project_id: string
  readonly metric: PeakMetric
  readonly bytes: bigint
}

export interface SlotOptions {
  /** The length of a slot: a project has at most one sample in each. Slots begin at midnight UTC. */
  readonly slotMs: number
  readonly nowMs: number
}

interface SizesOptions extends SlotOptions {
  readonly metric: PeakMetric
  readonly projectOf: ProjectOf
}

/** Adds sizes per project. A project of which one size is unknown has no sample, because the sum of the others would be too small. */
export class ProjectSizes {
  readonly #options: SizesOptions
  readonly #bytes = new Map<string, bigint>()
  readonly #unknown = new Set<string>()
  readonly #failures: SourceFailure[] = []
  readonly #ignored = new IgnoredCount('names without a project')

  constructor(options: SizesOptions) {
    this.#options = options
  }

  /** Whether the name belongs to a project; if not, it is counted as ignored. */
  has(name: string): boolean {
    if (this.#options.projectOf(name) !== undefined) return true
    this.#ignored.add(name)
    return false
  }

  /** For a name that `has` accepted. */
  add(name: string, bytes: bigint): void {
    const project = this.#options.projectOf(name) ?? ''
    this.#bytes.set(project, (this.#bytes.get(project) ?? 0n) + bytes)
  }

  /** For a name that `has` accepted, and whose size cannot be read. */
  addUnknown(name: string, reason: string): void {
    const { projectOf, slotMs, nowMs } = this.#options
    this.#unknown.add(projectOf(name) ?? '')
    const end = new Date(nextSlotMs(nowMs, slotMs)).toISOString()
    this.#failures.push({ source: name, message: reason, next: `Collect again before ${end}, or this slot has no sample.` })
  }

  collection(): Collection {
    const { metric, slotMs, nowMs } = this.#options
    const known = [...this.#bytes].filter(([project]) => !this.#unknown.has(project))
    const samples = known.map(([project_id, bytes]) => levelSample({ project_id, metric, bytes, slotMs, nowMs }))
    return { samples, failures: this.#failures, ignored: this.#ignored.list() }
  }
}
