import { z } from 'zod'
import { call, type ServiceAddress } from './http-client.ts'

const PAGE_ROWS_MAX = 100

interface List<Row> {
  readonly path: string
  /** Throws ZodError when the page is not of its shape. */
  readonly rowsOf: (page: unknown) => Row[]
  /** Undefined: all there are. */
  readonly limit?: number
}

/** The rows of a list, from as many of its pages as it takes. Throws CliError like `call`. */
export async function readPages<Row>(address: ServiceAddress, { path, rowsOf, limit = Number.POSITIVE_INFINITY }: List<Row>): Promise<Row[]> {
  const rows: Row[] = []
  let cursor: string | null = ''
  while (cursor !== null && rows.length < limit) {
    const from: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page: unknown = await call(address, 'GET', `${path}?limit=${Math.min(PAGE_ROWS_MAX, limit - rows.length)}${from}`)
    rows.push(...rowsOf(page))
    cursor = Next.parse(page).next_cursor
  }
  return rows
}

const Next = z.object({ next_cursor: z.string().nullable() })
