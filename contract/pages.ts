import { z } from 'zod'

export const CURSOR_CHARACTERS_MAX = 2_048
export const PAGE_ROWS_MAX = 100
export const PAGE_ROWS_DEFAULT = 50

/** A page of a list, for the query of an operation. */
export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_DEFAULT),
  cursor: z.string().max(CURSOR_CHARACTERS_MAX).optional().meta({ description: '`next_cursor` of the previous page, with the same filters, order and dates.' }),
})

export const NextCursor = z.string().nullable().meta({ description: 'Null on the last page.' })
