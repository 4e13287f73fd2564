/** While the clock of this process and that of the store differ by more, no due time is claimed. */
const CLOCKS_APART_MS_MAX = 60_000

/** How far a claimed due time may be ahead of this process, when another one has claimed it: each may differ from the store. */
export const DUE_AHEAD_MS_MAX = 2 * CLOCKS_APART_MS_MAX

/** In ms since 1970. */
export interface Clocks {
  readonly nowMs: number
  readonly storeMs: number
}

/** Why due times are not claimed now: those of a clock that is ahead would never be claimed at the right time. Undefined if they may be. */
export function clockProblem({ nowMs, storeMs }: Clocks): string | undefined {
  const aheadMs = nowMs - storeMs
  if (Math.abs(aheadMs) <= CLOCKS_APART_MS_MAX) return undefined
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  return `The clock of this host is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the clock of ClickHouse. Set the wrong one.`
}
