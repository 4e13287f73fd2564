export interface BackOff {
  readonly retryMsFirst: number
  readonly retryMsMax: number
}

/**
 * How long to wait after so many failures in a row. The wait doubles with each failure, and is at least as long as the
 * receiver asked for (`retryAfterMs`), but never exceeds `retryMsMax`. It is random between one half and the whole, so that
 * deliveries that failed together are not retried together.
 */
export function retryMs(
  { retryMsFirst, retryMsMax }: BackOff,
  failures: number,
  { retryAfterMs = 0, random = Math.random() }: { retryAfterMs?: number | undefined; random?: number } = {},
): number {
  const exponential = Math.min(retryMsMax, retryMsFirst * 2 ** (failures - 1))
  return Math.max(Math.min(retryAfterMs, retryMsMax), exponential * (0.5 + random / 2))
}
