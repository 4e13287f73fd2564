import { seededRandom } from '../../demo/random.ts'

/** Seeded random numbers, so that a failed run can be repeated. Print the seed with every failure. */
export class Random {
  /** In [0, 1). */
  readonly next: () => number

  constructor(seed: number) {
    this.next = seededRandom(seed)
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('The list to pick from is empty.')
    return item
  }
}
