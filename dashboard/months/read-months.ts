import { CallFailed } from '../calls/call.ts'
import { mapAtMost } from '../calls/map-at-most.ts'
import { type Partner, readPartners } from '../partners/read-partners.ts'
import { monthStateOf } from '../statements/month-state.tsx'
import { type ListedStatement, readStatements } from '../statements/read-statements.ts'

/** A partner with its months, newest first, or why they could not be read. */
export interface PartnerMonths {
  readonly partner: Partner
  readonly statements: readonly ListedStatement[]
  readonly failure?: CallFailed
}

export interface MonthsOfPage {
  readonly partners: readonly PartnerMonths[]
  readonly nextCursor: string | null
}

/** Each read of a partner's months is a query over its days, so a page of partners must not begin fifty at the same time. */
const READS_AT_ONCE = 4

/** The months of a page of partners. A partner that cannot be read does not hide the others. */
export async function readMonths(cursor: string | undefined, signal: AbortSignal): Promise<MonthsOfPage> {
  const { partners, next_cursor } = await readPartners(cursor, signal)
  return { partners: await mapAtMost(READS_AT_ONCE, partners, (partner) => readMonthsOf(partner, signal)), nextCursor: next_cursor }
}

async function readMonthsOf(partner: Partner, signal: AbortSignal): Promise<PartnerMonths> {
  try {
    return { partner, statements: await readStatements({ partnerId: partner.id, asAdmin: true }, signal) }
  } catch (error) {
    if (!(error instanceof CallFailed) || error.status === 401) throw error
    return { partner, statements: [], failure: error }
  }
}

export interface DueMonth {
  readonly partner: Partner
  readonly month: string
  readonly totals: ListedStatement['totals']
  /** The month of this partner that must be closed before; undefined if this one is the next. */
  readonly after: string | undefined
}

/** All months that can or could be closed, oldest first. */
export function dueMonths(partners: readonly PartnerMonths[]): DueMonth[] {
  return partners
    .flatMap(({ partner, statements }) => {
      const due = statements.filter(({ statement }) => monthStateOf(statement) === 'due').toReversed()
      return due.map(({ statement: { month }, totals }, index) => ({ partner, month, totals, after: due[index - 1]?.statement.month }))
    })
    .toSorted((left, right) => (left.month < right.month ? -1 : left.month > right.month ? 1 : 0))
}
