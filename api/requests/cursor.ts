import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ApiError } from '../errors/errors.ts'

/** Where a list continues that is ordered by creation, then by id. */
export interface PlaceInTime {
  readonly createdMs: number
  readonly id: string
}

export function writeTimeCursor(query: QueryValues, { createdMs, id }: PlaceInTime): string {
  return writePlace(query, [createdMs, id])
}

/** The place before the first row if there is no cursor. Throws ApiError like requireCursor. */
export function requireTimeCursor(text: string | undefined, query: QueryValues): PlaceInTime {
  if (text === undefined) return { createdMs: 0, id: '' }
  const [createdMs, id] = requirePlace(text, query, z.tuple([z.number().int(), z.string()]))
  return { createdMs, id }
}

type QueryValues = readonly (string | undefined)[]

/** For a list with an order of its own: `place` holds all its sort keys. */
export function writePlace(query: QueryValues, place: readonly (string | number | readonly (string | number)[])[]): string {
  return Buffer.from(JSON.stringify([fingerprint(query), ...place]), 'utf8').toString('base64url')
}

/** `place` must accept only values that the store can parse. Throws ApiError like requireCursor. */
export function requirePlace<T>(text: string, query: QueryValues, place: z.ZodType<T>): T {
  const parsed = Cursor.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8')))
  if (!parsed.success || parsed.data[0] !== fingerprint(query)) throw new ApiError('CURSOR_INVALID')
  const placed = place.safeParse(parsed.data.slice(1))
  if (!placed.success) throw new ApiError('CURSOR_INVALID')
  return placed.data
}

/** The page, from rows that were queried with one more than `limit`. */
export function pageOf<T>(rows: readonly T[], limit: number, cursorOf: (last: T) => string): { shown: T[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit)
  const last = rows.length > limit ? shown.at(-1) : undefined
  return { shown, next_cursor: last === undefined ? null : cursorOf(last) }
}

const Cursor = z.tuple([z.string()], z.union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))]))

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** It protects honest callers from a mistake. What a list may show depends on the caller, never on the cursor. */
function fingerprint(query: QueryValues): string {
  return createHash('sha256')
    .update(JSON.stringify(query.map((part) => part ?? null)))
    .digest('base64url')
    .slice(0, 16)
}
