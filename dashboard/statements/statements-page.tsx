import { useState } from 'preact/hooks'
import { linkOfSubject, type Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { showDay, showMonth } from '../numbers/show-time.ts'
import { Notice } from '../parts/notice.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { Table } from '../parts/table.tsx'
import { hasRole } from '../session/session.ts'
import { AdjustmentDialog } from './adjustment-dialog.tsx'
import { MonthBadge, monthStateOf } from './month-state.tsx'
import { Quantities, Unbilled } from './quantities.tsx'
import { type ListedStatement, readStatements } from './read-statements.ts'
import { ShortHash } from './short-hash.tsx'
import { usedTotals } from './sums.ts'

/** Every month of a partner with what it is billed, newest first. */
export function StatementsPage({ subject }: { subject: Subject }) {
  const list = useAnswer(`statements ${subject.partnerId}`, (signal) => readStatements(subject, signal))
  const [isAdjusting, setAdjusting] = useState(false)
  const isRefreshing = list.state === 'ready' && list.isRefreshing
  return (
    <>
      <div class="heading">
        <h1>Statements</h1>
        <div class="actions">
          {subject.asAdmin && hasRole('operator') && list.state === 'ready' && list.value.length > 0 ? (
            <button type="button" onClick={() => setAdjusting(true)}>
              Add an adjustment…
            </button>
          ) : null}
          <RefreshButton isQuiet isRefreshing={isRefreshing} isDisabled={list.state === 'loading' || isRefreshing} onRefresh={list.reload} />
        </div>
      </div>
      <ShownAnswer answer={list} what="list of statements">
        {(statements) => (
          <>
            {statements.length === 0 ? <NoStatements /> : <StatementTable subject={subject} statements={statements} />}
            <p class="hint">
              Months are those of UTC. A month closes some days after its end; what arrives later is billed as an adjustment on the next statement.
            </p>
            {isAdjusting ? (
              <AdjustmentDialog
                partnerId={subject.partnerId}
                statements={statements}
                onClose={(mayHaveAdded) => {
                  setAdjusting(false)
                  if (mayHaveAdded) list.reload()
                }}
              />
            ) : null}
          </>
        )}
      </ShownAnswer>
    </>
  )
}

function NoStatements() {
  return (
    <Notice>
      <strong>No statement yet</strong>
      <p>The first month that is billed has not begun. Operators set that month: meterline partners update … --billing-from.</p>
    </Notice>
  )
}

function StatementTable({ subject, statements }: { subject: Subject; statements: readonly ListedStatement[] }) {
  return (
    <Table
      caption="Statements, newest month first"
      isCaptionHidden
      columns={['Month', 'Status', 'Closed on', 'Totals', 'Unbilled', 'SHA-256']}
      rows={statements.map(({ statement, totals }) => {
        const state = monthStateOf(statement)
        const { month, closed_at, sha256 } = statement
        return {
          key: month,
          cells: [
            <a class="unbroken" href={linkOfSubject(subject, ['statements', month])}>
              {showMonth(month)}
            </a>,
            <MonthBadge state={state} />,
            closed_at === null ? 'not yet' : showDay(closed_at),
            <Quantities totals={usedTotals(totals).map(({ metric, unit, value }) => ({ metric, unit, value }))} none="no usage" isTotal />,
            state === 'closed' ? <Unbilled totals={totals} /> : 'everything',
            sha256 === null ? 'none yet' : <ShortHash sha256={sha256} />,
          ],
        }
      })}
    />
  )
}
