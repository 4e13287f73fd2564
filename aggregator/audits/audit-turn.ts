/**
 * One audit at a time in a process: each reads all of raw that it is asked about. Closing a month brings its own audit, which
 * is of one partner and does not wait here.
 */
export class AuditTurn {
  #isAsked = false
  #background: Promise<unknown> = Promise.resolve()

  /** For an audit that somebody waits for: refused while another of them runs. One in the background it lets end first. */
  async runAsked<T>(work: () => Promise<T>): Promise<AuditTurnOutcome<T>> {
    if (this.#isAsked) return { status: 'another_runs' }
    this.#isAsked = true
    try {
      await this.#background.catch(() => {})
      return { status: 'done', result: await work() }
    } finally {
      this.#isAsked = false
    }
  }

  /** For a part of an audit that can be done as well later. */
  async runInBackground<T>(work: () => Promise<T>): Promise<AuditTurnOutcome<T>> {
    if (this.#isAsked) return { status: 'another_runs' }
    const working = work()
    this.#background = working
    return { status: 'done', result: await working }
  }
}

export type AuditTurnOutcome<T> = { status: 'done'; result: T } | { status: 'another_runs' }
