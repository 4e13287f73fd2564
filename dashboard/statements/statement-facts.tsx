import type { Subject } from '../address/subject.ts'
import { showMonth, showTime } from '../numbers/show-time.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { MonthBadge, meaningOf, monthStateOf } from './month-state.tsx'
import type { StatementHead } from './read-statements.ts'

interface StatementFactsProps {
  readonly subject: Subject
  readonly head: StatementHead
  readonly partnerName: string | undefined
}

/** Whose statement it is, of which month, and how far it is final. */
export function StatementFacts({ subject: { partnerId }, head, partnerName }: StatementFactsProps) {
  const { month, closed_at, as_of, sha256 } = head
  const state = monthStateOf(head)
  return (
    <dl class="panel fact-list">
      <dt>Partner</dt>
      <dd>
        {partnerName === undefined ? null : <>{partnerName} </>}
        <code>{partnerId}</code>
      </dd>
      <dt>Month</dt>
      <dd>
        {showMonth(month)} <span class="hint">({month}, UTC)</span>
      </dd>
      <dt>Status</dt>
      <dd>
        <MonthBadge state={state} /> <span class="hint">{meaningOf(state)}</span>
      </dd>
      <dt>Complete as of</dt>
      <dd>{as_of === null ? 'No event was counted yet' : showTime(as_of)}</dd>
      <dt>Closed at</dt>
      <dd>{closed_at === null ? 'Not closed yet' : showTime(closed_at)}</dd>
      <dt>SHA-256</dt>
      <dd>
        {sha256 === null ? (
          'A statement has a hash once it is closed'
        ) : (
          <>
            <code>{sha256}</code> <CopyButton text={sha256}>Copy hash</CopyButton>
          </>
        )}
      </dd>
      <dt>Service</dt>
      <dd>{serviceAddress()}</dd>
    </dl>
  )
}

/** Where the statement was read, without the page. */
function serviceAddress(): string {
  return new URL('.', document.baseURI).href.replace(/\/$/, '')
}
