import { derivedId, type NamedProject } from './project.ts'

/**
 * Finds the next id of a name: derived from partner, account, name and a number that no project has, so that concurrent calls write the
 * same row. The number cannot be a count of deleted projects, because a renamed project keeps the id of its first name. Each creation
 * takes the first free number, so the taken ones are 1 to n, and n is found by doubling, then between: of a million in six rounds.
 */
export class FreeId {
  readonly #named: NamedProject
  readonly #isTaken: (id: string) => boolean | undefined
  readonly #ids = new Map<number, string>()
  /** The greatest number that is known to be taken. */
  #taken = 0
  /** The smallest number above it that is known to be free. */
  #free: number | undefined
  /** Ascending. */
  #probes: readonly number[] = [1]

  /** `isTaken` returns undefined while it is not loaded whether a project has this id. */
  constructor(named: NamedProject, isTaken: (id: string) => boolean | undefined) {
    this.#named = named
    this.#isTaken = isTaken
  }

  /** The ids to load next; none once the free one is known. */
  toLoad(): string[] {
    return this.free() === undefined ? this.#probes.map((number) => this.#idOf(number)) : []
  }

  /** Undefined while more has to be loaded. */
  free(): string | undefined {
    // A change of the same group has taken it.
    if (this.#free !== undefined && this.#takenAt(this.#free)) this.#continueAfter(this.#free)
    while (this.#free !== this.#taken + 1) {
      if (this.#probes.some((number) => this.#takenAt(number) === undefined)) return undefined
      this.#narrow()
    }
    return this.#idOf(this.#free)
  }

  /** All probes are loaded. */
  #narrow(): void {
    const free = this.#probes.find((number) => !this.#takenAt(number))
    const taken = this.#probes.filter((number) => free === undefined || number < free).at(-1) ?? this.#taken
    this.#continueAfter(taken)
    if (free === undefined) return
    this.#free = free
    this.#probes = between(taken, free)
  }

  #continueAfter(taken: number): void {
    this.#taken = taken
    this.#free = undefined
    this.#probes = DISTANCES.map((distance) => taken + distance)
  }

  #takenAt(number: number): boolean | undefined {
    return this.#isTaken(this.#idOf(number))
  }

  #idOf(number: number): string {
    const id = this.#ids.get(number) ?? derivedId(this.#named, number)
    this.#ids.set(number, id)
    return id
  }
}

/** 1, 2, 4 and so on to a million. */
const DISTANCES = Array.from({ length: 21 }, (_, power) => 2 ** power)
const BETWEEN_MAX = 32

/** Numbers above `taken` and below `free`: all of them, or evenly spaced ones. */
function between(taken: number, free: number): number[] {
  const count = Math.min(free - taken - 1, BETWEEN_MAX)
  return Array.from({ length: count }, (_, index) => taken + Math.floor(((index + 1) * (free - taken)) / (count + 1)))
}
