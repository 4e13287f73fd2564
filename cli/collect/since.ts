import { parseTimestamp } from '../../metering/timestamp.ts'
import { usageError } from '../errors.ts'

const HOUR_MS = 3_600_000

/** Reads --since as the beginning of its hour, ms since 1970. Throws CliError. */
export function requireSince(since: string | undefined): number | undefined {
  if (since === undefined) return undefined
  const ms = parseTimestamp(since)
  if (ms === undefined || ms > Date.now()) throw usageError(`--since "${since}" is not a time of the past.`, 'Example: 2026-11-01T00:00:00Z')
  return Math.floor(ms / HOUR_MS) * HOUR_MS
}
