import { useMemo } from 'preact/hooks'
import { isMonth } from '../address/period.ts'
import { linkOfSubject, type Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { showMonth } from '../numbers/show-time.ts'
import { Notice } from '../parts/notice.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { AdjustmentsTable } from './adjustments-table.tsx'
import { ByteDaysTable, correctionsOfValues } from './byte-days-table.tsx'
import { Downloads } from './downloads.tsx'
import { HowToVerify } from './how-to-verify.tsx'
import { MonthDeliveries } from './month-deliveries.tsx'
import { ProjectLines } from './project-lines.tsx'
import { readPartnerName } from './read-partner-name.ts'
import { type MonthOfSubject, readStatementWithByteDays, type Statement } from './read-statements.ts'
import { StatementFacts } from './statement-facts.tsx'
import { linesByMetric } from './sums.ts'
import { TotalsTable } from './totals-table.tsx'

/** The statement of a month as a document, on the screen and on paper. */
export function StatementPage({ subject, month }: MonthOfSubject) {
  if (!isMonth(month))
    return (
      <Notice tone="warn">
        <strong>Not found</strong>
        <p>
          A month is written as 2026-01. <a href={linkOfSubject(subject, ['statements'])}>All statements</a>
        </p>
      </Notice>
    )
  return <MonthStatement key={`${subject.partnerId} ${month}`} subject={subject} month={month} />
}

function MonthStatement({ subject, month }: MonthOfSubject) {
  const statement = useAnswer('statement', (signal) => readStatementWithByteDays({ subject, month }, signal))
  const name = useAnswer('name', (signal) => readPartnerName(subject, signal))
  const isRefreshing = statement.state === 'ready' && statement.isRefreshing
  return (
    <article class="statement">
      <div class="heading">
        <h1>Statement of {showMonth(month)}</h1>
        <div class="actions">
          <a href={linkOfSubject(subject, ['statements'])}>All statements</a>
          <RefreshButton isQuiet isRefreshing={isRefreshing} isDisabled={statement.state === 'loading' || isRefreshing} onRefresh={statement.reload} />
          <button type="button" onClick={() => window.print()} disabled={statement.state !== 'ready'}>
            Print
          </button>
        </div>
      </div>
      <ShownAnswer answer={statement} what="statement">
        {(read) => <Document subject={subject} month={month} statement={read} partnerName={name.state === 'ready' ? name.value : undefined} />}
      </ShownAnswer>
    </article>
  )
}

interface DocumentProps extends MonthOfSubject {
  readonly subject: Subject
  readonly statement: Statement
  /** Undefined while it is being read. */
  readonly partnerName: string | undefined
}

function Document({ subject, month, statement, partnerName }: DocumentProps) {
  const { statement: head, totals, projects } = statement
  const adjustments = useMemo(() => correctionsOfValues(statement.adjustments), [statement])
  const lines = useMemo(() => linesByMetric(projects), [projects])
  return (
    <>
      <StatementFacts subject={subject} head={head} partnerName={partnerName} />
      <TotalsTable statement={{ ...statement, adjustments }} />
      <ByteDaysTable statement={statement} />
      <ProjectLines subject={subject} month={month} totals={totals} lines={lines} />
      <AdjustmentsTable adjustments={adjustments} totals={totals} isClosed={head.status === 'closed'} />
      <Downloads subject={subject} month={month} />
      {subject.asAdmin ? <MonthDeliveries partnerId={subject.partnerId} month={month} /> : null}
      <HowToVerify subject={subject} month={month} sha256={head.sha256} />
    </>
  )
}
