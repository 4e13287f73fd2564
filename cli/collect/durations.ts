import { usageError } from '../errors.ts'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DAY_MS = 86_400_000

/** Reads "30s", "15m", "1h" or "1d", at most a day, as ms. Throws CliError. */
export function requireDuration(text: string, option: string): number {
  const match = /^([1-9]\d{0,4})([smhd])$/.exec(text)
  const ms = match === null ? 0 : Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? 0)
  if (ms > 0 && ms <= DAY_MS) return ms
  throw usageError(`${option} "${text}" is not a duration from 1s to 1d.`, 'Examples: 30s, 15m, 1h, 1d')
}
