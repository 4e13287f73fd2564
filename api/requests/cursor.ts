import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isDay } from '../../metering/period.ts'
import { ApiError } from '../errors/errors.ts'

/** Where a list goes on, and over which days: defaults are settled on the first page, so that midnight moves no page. */
export interface CursorPlace {
  readonly key: string
  readonly projectId: string
  readonly first: string
  readonly last: string
}

/** Opaque to callers. `query` is everything that decides what is listed and in which order. */
export function writeCursor(query: Asked, { key, projectId, first, last }: CursorPlace): string {
  return writePlace(query, [key, projectId, first, last])
}

/** Throws ApiError for what is no cursor, or one of another query, whose place means nothing in this one. */
export function requireCursor(text: string, query: Asked, key: RegExp): CursorPlace {
  const [place, projectId, first, last] = requirePlace(text, query, z.tuple([z.string().regex(key), z.string(), DayText, DayText]))
  return { key: place, projectId, first, last }
}

/** Where a list goes on that is in the order of creation, then of the id. */
export interface PlaceInTime {
  readonly createdMs: number
  readonly id: string
}

export function writeTimeCursor(query: Asked, { createdMs, id }: PlaceInTime): string {
  return writePlace(query, [createdMs, id])
}

/** Without a cursor the place before the first. Throws ApiError like requireCursor. */
export function requireTimeCursor(text: string | undefined, query: Asked): PlaceInTime {
  if (text === undefined) return { createdMs: 0, id: '' }
  const [createdMs, id] = requirePlace(text, query, z.tuple([z.number().int(), z.string()]))
  return { createdMs, id }
}

type Asked = readonly (string | undefined)[]

/** For a list in an order of its own: `place` is all that it is sorted by. */
export function writePlace(query: Asked, place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([fingerprint(query), ...place]), 'utf8').toString('base64url')
}

/** `place` must let through only what the store can read. Throws ApiError like requireCursor. */
export function requirePlace<T>(text: string, query: Asked, place: z.ZodType<T>): T {
  const parsed = Cursor.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8')))
  if (!parsed.success || parsed.data[0] !== fingerprint(query)) throw new ApiError('CURSOR_INVALID')
  const placed = place.safeParse(parsed.data.slice(1))
  if (!placed.success) throw new ApiError('CURSOR_INVALID')
  return placed.data
}

/** The page, of rows of which one more than `limit` was asked for. */
export function pageOf<T>(rows: readonly T[], limit: number, cursorOf: (last: T) => string): { shown: T[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit)
  const last = rows.length > limit ? shown.at(-1) : undefined
  return { shown, next_cursor: last === undefined ? null : cursorOf(last) }
}

const DayText = z.string().refine(isDay)
const Cursor = z.tuple([z.string()], z.union([z.string(), z.number()]))

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** It keeps honest callers from a mistake; what a cursor may show is decided by who asks, not by the cursor. */
function fingerprint(query: Asked): string {
  return createHash('sha256')
    .update(JSON.stringify(query.map((part) => part ?? null)))
    .digest('base64url')
    .slice(0, 16)
}
