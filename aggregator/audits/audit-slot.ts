/**
 * Runs at most one audit at a time in a process, because each reads all of raw in its scope. The audit that is part of a closing is
 * limited to one partner and does not use the slot.
 */
export class AuditSlot {
  #isRequestedRunning = false
  #background: Promise<unknown> = Promise.resolve()

  /** For an audit that a caller waits for. Returns `another_runs` while another requested audit runs, and waits for one in the background to end. */
  async runRequested<T>(work: () => Promise<T>): Promise<AuditSlotOutcome<T>> {
    if (this.#isRequestedRunning) return { status: 'another_runs' }
    this.#isRequestedRunning = true
    try {
      await this.#background.catch(() => {})
      return { status: 'done', result: await work() }
    } finally {
      this.#isRequestedRunning = false
    }
  }

  /** For a part of an audit that can equally be done later. Returns `another_runs` while a requested audit runs. */
  async runInBackground<T>(work: () => Promise<T>): Promise<AuditSlotOutcome<T>> {
    if (this.#isRequestedRunning) return { status: 'another_runs' }
    const working = work()
    this.#background = working
    return { status: 'done', result: await working }
  }
}

export type AuditSlotOutcome<T> = { status: 'done'; result: T } | { status: 'another_runs' }
