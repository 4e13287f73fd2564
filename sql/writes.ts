/**
 * Counts the writes of the embedded engine, to which only this process can write. What was read remains true until the next write begins, so
 * a reader that notes the state before it reads knows later, without a statement, whether it must read again.
 */
export class Writes {
  /** By table: the inserts. Statements and commands, which may write to any table, are counted under ANY_TABLE. */
  readonly #counts = new Map<string, Count>()
  readonly #all: Count = { running: 0, ended: 0 }

  /** Counts a write until the engine has ended it, also one that fails, or that nobody waits for anymore. */
  async during<T>(table: string | undefined, write: () => Promise<T>): Promise<T> {
    const counts = [this.#all, this.#countOf(table ?? ANY_TABLE)]
    for (const count of counts) count.running += 1
    try {
      return await write()
    } finally {
      for (const count of counts) {
        count.running -= 1
        count.ended += 1
      }
    }
  }

  /**
   * Equal for two times between which nothing was written, or nothing that goes through the given table: an inbox, or a table that is inserted
   * into itself. Undefined while something is written, because it may be visible already, or not yet.
   */
  state(table?: string): string | undefined {
    const counts = table === undefined ? [this.#all] : [this.#countOf(table), this.#countOf(ANY_TABLE)]
    return counts.some(({ running }) => running > 0) ? undefined : counts.map(({ ended }) => ended).join(' ')
  }

  #countOf(table: string): Count {
    const known = this.#counts.get(table)
    if (known !== undefined) return known
    const added = { running: 0, ended: 0 }
    this.#counts.set(table, added)
    return added
  }
}

interface Count {
  running: number
  ended: number
}

/** No table has this name. */
const ANY_TABLE = ''
