/** The value below which `share` of the values lie (nearest rank). Throws when there are none: no figure without a measurement. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (value === undefined) throw new Error('Nothing was measured.')
  return value
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** What each round says by itself: a slow minute of the machine slows both sides of one round. Their median is the figure, their spread its worth. */
export function ratiosOfRounds(measured: readonly number[], yardstick: readonly number[]): number[] {
  return measured.map((value, round) => value / (yardstick[round] ?? Number.NaN))
}
