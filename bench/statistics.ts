/** The value below which `share` of the values lie (nearest rank). Throws if there are no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
  if (value === undefined) throw new Error('Nothing was measured.')
  return value
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The ratio of each round: a slow minute of the machine slows both sides of the same round. Report the median, with the spread as its precision. */
export function ratiosOfRounds(measured: readonly number[], baseline: readonly number[]): number[] {
  return measured.map((value, round) => value / (baseline[round] ?? Number.NaN))
}
