import { linkTo } from '../address/address.ts'
import { showMonth } from '../numbers/show-time.ts'
import { Table } from '../parts/table.tsx'
import { MonthBadge, monthStateOf } from '../statements/month-state.tsx'
import { Unbilled } from '../statements/quantities.tsx'
import type { ListedStatement } from '../statements/read-statements.ts'
import { unbilledOf } from '../statements/sums.ts'
import type { PartnerMonths } from './read-months.ts'

/** Each partner with its months that are not closed, and what its closed months have not billed. */
export function PartnerMonthsTable({ partners }: { partners: readonly PartnerMonths[] }) {
  return (
    <Table
      caption="Partners by name"
      columns={['Partner', 'Closed through', 'Not closed', 'Unbilled on closed months']}
      rows={partners.map(({ partner, statements, failure }) => ({
        key: partner.id,
        cells: [
          <span>
            <a href={linkTo(['partners', partner.id, 'statements'])}>{partner.name}</a> <code>{partner.id}</code>
          </span>,
          partner.closed_through === null ? 'no month yet' : showMonth(partner.closed_through),
          failure === undefined ? (
            <NotClosed partnerId={partner.id} statements={statements} />
          ) : (
            <span role="alert">Could not be read: {failure.message} Refresh to try again.</span>
          ),
          failure === undefined ? <UnbilledMonths statements={statements} /> : '',
        ],
      }))}
    />
  )
}

interface MonthsProps {
  readonly partnerId: string
  readonly statements: readonly ListedStatement[]
}

function NotClosed({ partnerId, statements }: MonthsProps) {
  const months = statements.map(({ statement }) => statement).filter(({ status }) => status === 'open')
  if (months.length === 0) return <>nothing is billed yet</>
  return (
    <ul class="plain-list">
      {months.map((statement) => (
        <li key={statement.month}>
          <a href={linkTo(['partners', partnerId, 'statements', statement.month])}>{showMonth(statement.month)}</a>{' '}
          <MonthBadge state={monthStateOf(statement)} />
        </li>
      ))}
    </ul>
  )
}

function UnbilledMonths({ statements }: Pick<MonthsProps, 'statements'>) {
  const months = statements.filter(({ statement, totals }) => statement.status === 'closed' && totals.some((total) => unbilledOf(total) !== undefined))
  if (months.length === 0) return <>nothing</>
  return (
    <ul class="plain-list">
      {months.map(({ statement: { month }, totals }) => (
        <li key={month}>
          {showMonth(month)} <Unbilled totals={totals} />
        </li>
      ))}
    </ul>
  )
}
