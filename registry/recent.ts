/** Remembers what was found a moment ago, so that a busy credential is not looked up for every request. */
export class Recent<T> {
  readonly #entries = new Map<string, { value: T; untilMs: number }>()
  readonly #keepMs: number
  readonly #entriesMax: number

  constructor({ keepMs, entriesMax }: { keepMs: number; entriesMax: number }) {
    this.#keepMs = keepMs
    this.#entriesMax = entriesMax
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.untilMs < Date.now()) return undefined
    return entry.value
  }

  set(key: string, value: T): void {
    if (this.#entries.size >= this.#entriesMax) this.#entries.clear()
    this.#entries.set(key, { value, untilMs: Date.now() + this.#keepMs })
  }

  /** What was revoked must not be remembered. */
  clear(): void {
    this.#entries.clear()
  }
}
