import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isDay } from '../metering/period.ts'
import { ApiError } from './errors.ts'

/** Where a list goes on, and over which days: defaults are settled on the first page, so that midnight moves no page. */
export interface CursorPlace {
  readonly key: string
  readonly projectId: string
  readonly first: string
  readonly last: string
}

/** Opaque to callers. `query` is everything that decides what is listed and in which order. */
export function writeCursor(query: readonly (string | undefined)[], { key, projectId, first, last }: CursorPlace): string {
  return Buffer.from(JSON.stringify([fingerprint(query), key, projectId, first, last]), 'utf8').toString('base64url')
}

/** Throws ApiError for what is no cursor, or one of another query, whose place means nothing in this one. */
export function requireCursor(text: string, query: readonly (string | undefined)[], key: RegExp): CursorPlace {
  const parsed = Cursor.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8')))
  if (!parsed.success || parsed.data[0] !== fingerprint(query) || !key.test(parsed.data[1])) throw new ApiError('CURSOR_INVALID')
  const [, place, projectId, first, last] = parsed.data
  return { key: place, projectId, first, last }
}

/** Where a list goes on that is in the order of creation, then of the id. */
export interface PlaceInTime {
  readonly createdMs: number
  readonly id: string
}

export function writeTimeCursor(query: readonly (string | undefined)[], { createdMs, id }: PlaceInTime): string {
  return Buffer.from(JSON.stringify([fingerprint(query), createdMs, id]), 'utf8').toString('base64url')
}

/** Without a cursor the place before the first. Throws ApiError like requireCursor. */
export function requireTimeCursor(text: string | undefined, query: readonly (string | undefined)[]): PlaceInTime {
  if (text === undefined) return { createdMs: 0, id: '' }
  const parsed = TimeCursor.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8')))
  if (!parsed.success || parsed.data[0] !== fingerprint(query)) throw new ApiError('CURSOR_INVALID')
  const [, createdMs, id] = parsed.data
  return { createdMs, id }
}

export const CURSOR_CHARACTERS_MAX = 2_048

const LIMIT_MAX = 100
const LIMIT_DEFAULT = 50

/** A page of a list, for the query of a route. */
export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT),
  cursor: z.string().max(CURSOR_CHARACTERS_MAX).optional().meta({ description: '`next_cursor` of the page before.' }),
})

const DayText = z.string().refine(isDay)
const Cursor = z.tuple([z.string(), z.string(), z.string(), DayText, DayText])
const TimeCursor = z.tuple([z.string(), z.number().int(), z.string()])

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** It keeps honest callers from a mistake; what a cursor may show is decided by who asks, not by the cursor. */
function fingerprint(query: readonly (string | undefined)[]): string {
  return createHash('sha256')
    .update(JSON.stringify(query.map((part) => part ?? null)))
    .digest('base64url')
    .slice(0, 16)
}
