/** A Null table with a fencing view, a row to insert into it, and the table that stores its rows. */
export interface FencedInbox {
  readonly table: string
  /** The columns besides log, epoch and owner. */
  readonly columns: readonly string[]
  readonly fields: (number: number, log: string) => (string | number | null)[]
  readonly target: string
  /** The column of the target that contains the name of the lease in the rows of `fields`. */
  readonly mark: string
}

/** The time in the rows. */
export const JANUARY_31_MS = Date.UTC(2026, 0, 31)
