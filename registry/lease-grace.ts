/** How long a process that acquired the lease may at least work off its waiting changes before another process acquires it. */
const GRACE_MS_MIN = 300
/** No change waits longer than this for another process that keeps changing the registry. */
const CONTENDED_MS_MAX = 1_500
/** After attempts that were pre-empted. */
const GRACE_MS_MAX = 2_400
const WINDOW_MS = 30_000

/**
 * How long the lease of another process is left alone after its acquisition. The more often this process has acquired the lease lately, the
 * longer: processes that change the registry all the time hold it for longer each and make their changes together, instead of taking
 * it from each other for every change. It is also doubled after each attempt that was pre-empted, because on a slow store the
 * shortest time is not enough for one change.
 */
export class LeaseGrace {
  #acquiredMs: number[] = []
  #preempted = 0
  #seen = { owner: '', sinceMs: 0 }

  noteAcquired(): void {
    this.#acquiredMs.push(performance.now())
  }

  noteCompleted(): void {
    this.#preempted = 0
  }

  notePreempted(): void {
    this.#preempted += 1
  }

  /**
   * How much time the owner has left, in ms. `ageMs` is the age of its acquisition by the clock of the store; if that clock was set
   * back, the time since this process first saw the acquisition counts.
   */
  msLeft({ owner, ageMs }: { owner: string; ageMs: number }): number {
    const nowMs = performance.now()
    if (this.#seen.owner !== owner) this.#seen = { owner, sinceMs: nowMs }
    return Math.max(0, this.#graceMs(nowMs) - Math.max(ageMs, nowMs - this.#seen.sinceMs))
  }

  #graceMs(nowMs: number): number {
    this.#acquiredMs = this.#acquiredMs.filter((acquiredMs) => nowMs - acquiredMs < WINDOW_MS)
    const afterPreemption = 2 ** Math.max(0, this.#preempted - 1)
    const contendedMs = Math.min(CONTENDED_MS_MAX, GRACE_MS_MIN * Math.max(1, this.#acquiredMs.length))
    return Math.min(GRACE_MS_MAX, Math.max(contendedMs, GRACE_MS_MIN * afterPreemption))
  }
}
