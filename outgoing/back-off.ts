export interface BackOff {
  readonly retryMsFirst: number
  readonly retryMsMax: number
}

/**
 * How long to wait after so many failures in a row: twice as long each time, and as long as the receiver asked for, but
 * never longer than the most. Between half of it and the whole: what failed together must not come back together.
 */
export function retryMs({ retryMsFirst, retryMsMax }: BackOff, failures: number, { askedMs = 0, random = Math.random() } = {}): number {
  const exponential = Math.min(retryMsMax, retryMsFirst * 2 ** (failures - 1))
  return Math.max(Math.min(askedMs, retryMsMax), exponential * (0.5 + random / 2))
}
