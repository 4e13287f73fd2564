import { z } from 'zod'

/**
 * The last activity as a column beside usage of a period and of all days after it, in ms since 1970: the days before cannot have a later one.
 * Only the rollup as it is has it (effective-usage.ts), and voided events are activity too.
 */
export const LAST_MS = 'toString(toUnixTimestamp64Milli(max(last_event_at)))'
export const UNKNOWN_LAST_MS = `''`
export const LastMs = { lastMs: z.string() }

/** Undefined where the rows of a project do not say it. */
export function latest(rows: readonly { readonly lastMs: string }[]): number | undefined {
  if (rows.length === 0 || rows.some(({ lastMs }) => lastMs === '')) return undefined
  return Math.max(...rows.map(({ lastMs }) => Number(lastMs)))
}
