/** Remembers what was found a moment ago, so that a busy credential is not looked up for every request. */
export class Recent<T> {
  readonly #entries = new Map<string, { value: T; untilMs: number }>()
  readonly #keepMs: number
  readonly #entriesMax: number
  #clears = 0

  constructor({ keepMs, entriesMax }: { keepMs: number; entriesMax: number }) {
    this.#keepMs = keepMs
    this.#entriesMax = entriesMax
  }

  /** What is remembered, else what `look` finds, which is remembered from then on. */
  async find(key: string, look: () => Promise<T | undefined>): Promise<T | undefined> {
    const entry = this.#entries.get(key)
    if (entry !== undefined && entry.untilMs >= Date.now()) return entry.value
    const clears = this.#clears
    const value = await look()
    // What was looked up before a revocation and found after it would outlive it.
    if (value !== undefined && clears === this.#clears) this.#set(key, value)
    return value
  }

  /** What was revoked must not be remembered. */
  clear(): void {
    this.#clears += 1
    this.#entries.clear()
  }

  #set(key: string, value: T): void {
    if (this.#entries.size >= this.#entriesMax) this.#entries.clear()
    this.#entries.set(key, { value, untilMs: Date.now() + this.#keepMs })
  }
}
