import { useState } from 'preact/hooks'
import { addMonths, dayOf } from '../../address/period.ts'
import { counted } from '../../numbers/show-quantity.ts'
import { PageHeading } from '../../parts/page-heading.tsx'
import { hasRole } from '../../session/session.ts'
import { AuditMonth } from './audit-month.tsx'
import { RunAuditDialog } from './run-audit-dialog.tsx'

const MONTHS_AT_FIRST = 2
const MONTHS_MAX = 6

/** Whether each finished day was counted again, and what was found. */
export function AuditsPage() {
  const [round, setRound] = useState(0)
  const [months, setMonths] = useState(MONTHS_AT_FIRST)
  const [isAsking, setAsking] = useState(false)
  const today = dayOf(Date.now())
  const listed = Array.from({ length: months }, (_, index) => addMonths(today.slice(0, 7), -index))
  return (
    <>
      <PageHeading
        title="Audits"
        lead="Each finished day is counted again from its raw events, automatically, and again whenever more of it is stored. 0 means that every total is the same as the recount."
        isRefreshing={false}
        onRefresh={() => setRound(round + 1)}
      >
        {hasRole('operator') ? (
          <button type="button" onClick={() => setAsking(true)}>
            Run an audit…
          </button>
        ) : null}
      </PageHeading>
      <ul class="legend" aria-label="What the days say">
        <li>
          <span class="sample good">0</span> audited, no difference
        </li>
        <li>
          <span class="sample bad">2</span> audited, differences found
        </li>
        <li>
          <span class="sample">–</span> not audited yet
        </li>
      </ul>
      <div class="months">
        {listed.map((month) => (
          <AuditMonth key={month} month={month} today={today} round={round} />
        ))}
      </div>
      {months >= MONTHS_MAX ? (
        <p class="hint">{counted(MONTHS_MAX, 'month')} are shown. Earlier ones are listed by GET /admin/v1/audits with from and to.</p>
      ) : (
        <p class="links">
          <button type="button" onClick={() => setMonths(months + 1)}>
            Show an earlier month
          </button>
        </p>
      )}
      {isAsking ? <RunAuditDialog today={today} onClose={() => setAsking(false)} onDone={() => setRound(round + 1)} /> : null}
    </>
  )
}
