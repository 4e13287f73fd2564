import { useState } from 'preact/hooks'
import type { CLOSE_MONTH } from '../../contract/statements.ts'
import { linkTo } from '../address/address.ts'
import { type CallFailed, call } from '../calls/call.ts'
import { failureOf, useAnswer } from '../calls/use-answer.ts'
import { counted } from '../numbers/show-quantity.ts'
import { showMonth, showTime } from '../numbers/show-time.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Notice } from '../parts/notice.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { caller } from '../session/session.ts'
import { AdjustmentsTable } from '../statements/adjustments-table.tsx'
import { readStatement, type Statement } from '../statements/read-statements.ts'
import { TotalsTable } from '../statements/totals-table.tsx'
import type { DueMonth } from './read-months.ts'

interface CloseDialogProps {
  readonly due: DueMonth
  /** `hasChanged`: the month is closed, or its state was found to be another one. */
  readonly onClose: (hasChanged: boolean) => void
}

type Closing =
  | { readonly state: 'none' }
  | { readonly state: 'closing' }
  | { readonly state: 'closed'; readonly statement: Statement }
  | { readonly state: 'failed'; readonly failure: CallFailed }

/** Shows what will be billed, asks, closes the month, and shows the hash. */
export function CloseDialog({ due: { partner, month }, onClose }: CloseDialogProps) {
  const [closing, setClosing] = useState<Closing>({ state: 'none' })
  const statement = useAnswer('statement', (signal) => readStatement({ subject: { partnerId: partner.id, asAdmin: true }, month }, signal))
  const close = () => {
    setClosing({ state: 'closing' })
    const request = { method: 'POST', path: '/admin/v1/statements/:partnerId/:month/close', params: { partnerId: partner.id, month }, body: {} } as const
    // Leaving the page does not stop it: closing a month that is closed returns the same statement.
    call<typeof CLOSE_MONTH>(caller(), request).then(
      (closed) => setClosing({ state: 'closed', statement: closed }),
      (error: unknown) => setClosing({ state: 'failed', failure: failureOf(error) }),
    )
  }
  return (
    <Dialog heading={`Close ${showMonth(month)} of ${partner.name}`} onClose={() => onClose(closing.state !== 'none')}>
      {closing.state === 'closed' ? (
        <Closed partnerId={partner.id} statement={closing.statement} />
      ) : (
        <ShownAnswer answer={statement} what="statement">
          {(read) => (
            <>
              <WillBeBilled statement={read} />
              {closing.state === 'failed' ? <NotClosed failure={closing.failure} /> : null}
              <div class="actions">
                <button type="button" class="main" onClick={close} disabled={closing.state === 'closing'}>
                  {closing.state === 'closing' ? 'Closing…' : `Close ${showMonth(month)} permanently`}
                </button>
                <button type="button" disabled={closing.state === 'closing'} onClick={(event) => event.currentTarget.closest('dialog')?.close()}>
                  Leave it open
                </button>
                <span class="hint" role="status">
                  {closing.state === 'closing' ? 'The month is recounted and written. This may take a minute.' : ''}
                </span>
              </div>
            </>
          )}
        </ShownAnswer>
      )}
    </Dialog>
  )
}

function WillBeBilled({ statement }: { statement: Statement }) {
  const { statement: head, totals, projects, adjustments } = statement
  const projectCount = new Set(projects.map(({ project_id }) => project_id)).size
  return (
    <>
      <p>
        This is what will be billed, complete as of {head.as_of === null ? 'no time yet' : showTime(head.as_of)}. Closing recounts it from the events first.{' '}
        <strong>A closed statement never changes and cannot be opened again</strong>; what arrives later is billed as an adjustment on the next one.
      </p>
      <TotalsTable statement={statement} />
      <p>
        {counted(projects.length, 'line')} of {counted(projectCount, 'project')}, {counted(adjustments.length, 'adjustment')}.
      </p>
      {adjustments.length === 0 ? null : <AdjustmentsTable adjustments={adjustments} totals={totals} isClosed={false} />}
    </>
  )
}

function NotClosed({ failure: { status, message, requestId } }: { failure: CallFailed }) {
  return (
    <div role="alert">
      <Notice tone="bad">
        <strong>{status === 0 ? 'Whether the month was closed is not known' : 'The month was not closed'}</strong>
        <p>{message}</p>
        {status === 0 ? <p>Closing it again is safe: it returns the same statement.</p> : null}
        {requestId === undefined ? null : (
          <p class="hint">
            Request id <code>{requestId}</code>
          </p>
        )}
      </Notice>
    </div>
  )
}

function Closed({ partnerId, statement }: { partnerId: string; statement: Statement }) {
  const { month, sha256, closed_at } = statement.statement
  return (
    <>
      <div role="status">
        <Notice tone="good">
          <strong>{showMonth(month)} is closed</strong>
          <p>Closed at {closed_at === null ? 'an unknown time' : showTime(closed_at)}. The statement never changes now.</p>
          {sha256 === null ? null : (
            <p>
              SHA-256 <code>{sha256}</code> <CopyButton text={sha256}>Copy hash</CopyButton>
            </p>
          )}
        </Notice>
      </div>
      <TotalsTable statement={statement} />
      <p class="links">
        <a href={linkTo(['partners', partnerId, 'statements', month])}>Open the statement</a>
      </p>
    </>
  )
}
