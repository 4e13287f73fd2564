const FIRST_DELAY_MS = 500
const DELAY_MS_MAX = 30_000
/** A longer Retry-After is not waited for: the service may be back earlier, and the buffer is limited. */
const RETRY_AFTER_MS_MAX = 3_600_000

/**
 * How long to wait after the attempt with this number (1 is the first): the time of Retry-After if the answer has one, else a delay that
 * doubles from 0.5 s to 30 s, of which `random` (0 to 1) leaves half to all, so that many emitters do not return together.
 */
export function retryDelayMs({ attempt, retryAfterMs, random }: { attempt: number; retryAfterMs: number | undefined; random: number }): number {
  if (retryAfterMs !== undefined && retryAfterMs > 0) return Math.min(retryAfterMs, RETRY_AFTER_MS_MAX)
  // 2 ** 10 is past the maximum, and a large exponent would be Infinity.
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 10), DELAY_MS_MAX)
  return Math.round(delayMs * (0.5 + random / 2))
}

/** Reads Retry-After, which is a number of seconds or a date (RFC 9110, 10.2.3). Undefined if it is missing or neither. */
export function readRetryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000
  const atMs = Date.parse(header)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
