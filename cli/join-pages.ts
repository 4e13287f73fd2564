/** A page of a list: the rows are in one of its members. */
export type Page = Readonly<Record<string, unknown>>

/** All pages of a list, in their order, as one: the first with the rows of all and the cursor of the last. There must be at least one. */
export function joinPages(pages: readonly Page[], rows: string): Page {
  return { ...pages[0], [rows]: pages.flatMap((page) => page[rows] as unknown[]), next_cursor: pages.at(-1)?.['next_cursor'] ?? null }
}
