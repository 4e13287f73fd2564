/** Lines that arrive in groups, taken a few at a time by one reader after another. */
export class LineFeed {
  readonly #groups: AsyncIterator<readonly string[]>
  #group: readonly string[] = []

  constructor(groups: AsyncIterable<readonly string[]>) {
    this.#groups = groups[Symbol.asyncIterator]()
  }

  /** The next lines, at least one and at most `linesMax`. Throws when there are none. */
  async take(linesMax: number): Promise<readonly string[]> {
    if (!(await this.#hasMore())) throw new Error('The store delivered fewer rows than the manifest says.')
    const taken = this.#group.slice(0, linesMax)
    this.#group = this.#group.slice(linesMax)
    return taken
  }

  /** Throws when there are more lines. */
  async requireEnd(): Promise<void> {
    if (await this.#hasMore()) throw new Error('The store delivered more rows than the manifest says.')
  }

  /** Ends the reading, after a group that is being read. */
  async close(): Promise<void> {
    await this.#groups.return?.()
  }

  async #hasMore(): Promise<boolean> {
    while (this.#group.length === 0) {
      const next = await this.#groups.next()
      if (next.done === true) return false
      this.#group = next.value
    }
    return true
  }
}
