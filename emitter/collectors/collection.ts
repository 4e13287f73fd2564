import type { WireEvent } from '../event.ts'

/**
 * What a collector found. The ids of samples follow from metric and slot, or from the place in a log, so that the same thing collected again,
 * after a restart or by a second collector, counts once.
 */
export interface Collection {
  readonly samples: readonly WireEvent[]
  /** Sources that could not be read. They have no sample: nothing is estimated. */
  readonly failures: readonly SourceFailure[]
  /** What was read and belongs to no sample. */
  readonly ignored: readonly Ignored[]
}

export interface SourceFailure {
  /** A project, a database, a folder or a file. */
  readonly source: string
  readonly message: string
  /** What to do now, as a sentence. */
  readonly next?: string | undefined
}

export interface Ignored {
  /** Why, for example "names without a project". */
  readonly reason: string
  readonly count: number
  /** The first ones. */
  readonly examples: readonly string[]
}

/** The project that a name belongs to, such as that of a database; undefined if it belongs to none. */
export type ProjectOf = (name: string) => string | undefined

const EXAMPLES_MAX = 5

/** Counts what is ignored for one reason. */
export class IgnoredCount {
  readonly #reason: string
  readonly #examples: string[] = []
  #count = 0

  constructor(reason: string) {
    this.#reason = reason
  }

  add(example: string, count = 1): void {
    this.#count += count
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(example)
  }

  /** Empty if nothing was ignored. */
  list(): Ignored[] {
    return this.#count === 0 ? [] : [{ reason: this.#reason, count: this.#count, examples: this.#examples }]
  }
}
