import { useState } from 'preact/hooks'
import type { ADD_ADJUSTMENT } from '../../contract/statements.ts'
import { type CallFailed, call } from '../calls/call.ts'
import { failureOf } from '../calls/use-answer.ts'
import { metricNamed, type TitledMetric, useMetrics } from '../metrics/use-metrics.ts'
import { exactWithUnit } from '../numbers/show-quantity.ts'
import { showMonth } from '../numbers/show-time.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Notice } from '../parts/notice.tsx'
import { caller } from '../session/session.ts'
import { type Adjustment, newId, readAdjustment } from './adjustment.ts'
import { AdjustmentFields } from './adjustment-fields.tsx'
import { AdjustmentReview } from './adjustment-review.tsx'
import type { ListedStatement } from './read-statements.ts'

interface AdjustmentDialogProps {
  readonly partnerId: string
  /** Newest first. */
  readonly statements: readonly ListedStatement[]
  /** `mayHaveAdded`: the line is added, or whether it is added is not known. */
  readonly onClose: (mayHaveAdded: boolean) => void
}

type Sending =
  | { readonly state: 'none' }
  | { readonly state: 'sending' }
  | { readonly state: 'added'; readonly id: string; readonly month: string; readonly adjustment: Adjustment }
  | { readonly state: 'failed'; readonly failure: CallFailed; readonly adjustment: Adjustment }

/** Adds a manual line to a partner's next statement. Its id is made once, so that sending it twice adds one line. */
export function AdjustmentDialog({ partnerId, statements, onClose }: AdjustmentDialogProps) {
  const [id] = useState(newId)
  const loaded = useMetrics({ partnerId, asAdmin: true })
  const [problem, setProblem] = useState('')
  const [reviewed, setReviewed] = useState<Adjustment>()
  const [sending, setSending] = useState<Sending>({ state: 'none' })
  const metric = reviewed === undefined ? undefined : metricNamed(loaded, reviewed.metric)
  const next = statements.findLast(({ statement }) => statement.status === 'open')?.statement.month
  const review = (event: SubmitEvent) => {
    event.preventDefault()
    const read = readAdjustment(new FormData(event.currentTarget as HTMLFormElement), loaded)
    const isProblem = typeof read === 'string'
    setProblem(isProblem ? read : '')
    setReviewed(isProblem ? undefined : read)
  }
  const add = (adjustment: Adjustment) => {
    setSending({ state: 'sending' })
    const request = { method: 'POST', path: '/admin/v1/statements/:partnerId/adjustments', params: { partnerId }, body: adjustment } as const
    call<typeof ADD_ADJUSTMENT>(caller(), request).then(
      (added) => setSending({ state: 'added', id: added.id, month: added.statement, adjustment }),
      (error: unknown) => setSending({ state: 'failed', failure: failureOf(error), adjustment }),
    )
  }
  if (sending.state === 'added')
    return (
      <Dialog heading={HEADING} onClose={() => onClose(true)}>
        <Added {...sending} metric={metricNamed(loaded, sending.adjustment.metric)} />
      </Dialog>
    )
  return (
    <Dialog heading={HEADING} onClose={() => onClose(sending.state !== 'none')}>
      {/* It is hidden, not removed, so that what was typed is there when it is to be changed. */}
      <form class="adjustment" onSubmit={review} hidden={reviewed !== undefined}>
        <p>
          A wrong event cannot be removed, but its effect on the bill can be corrected. Usage does not change. A line that was added cannot be removed: an
          adjustment with the opposite sign takes it back.
        </p>
        <AdjustmentFields id={id} months={statements.map(({ statement }) => statement.month)} loaded={loaded} />
        <div role="alert">{problem === '' ? null : <Notice tone="bad">{problem}</Notice>}</div>
        <div class="actions">
          <button type="submit" class="main">
            Review
          </button>
        </div>
      </form>
      {reviewed === undefined || metric === undefined ? null : (
        <AdjustmentReview
          adjustment={reviewed}
          metric={metric}
          statementOf={next}
          isBusy={sending.state === 'sending'}
          onAdd={() => add(reviewed)}
          onChange={() => setReviewed(undefined)}
        />
      )}
      <div role="alert">{sending.state === 'failed' && sending.adjustment === reviewed ? <Failed {...sending.failure} /> : null}</div>
    </Dialog>
  )
}

const HEADING = 'Add an adjustment'

function Failed({ status, message, requestId }: CallFailed) {
  return (
    <Notice tone="bad">
      <strong>{status === 0 ? 'Whether it was added is not known' : 'It could not be added'}</strong>
      <p>{message}</p>
      {status === 0 ? <p>Adding it again with the same id is safe: it is added once.</p> : null}
      {requestId === undefined ? null : <p class="hint">Request id {requestId}</p>}
    </Notice>
  )
}

interface AddedProps {
  readonly id: string
  readonly month: string
  readonly metric: TitledMetric | undefined
  readonly adjustment: Adjustment
}

function Added({ id, month, metric, adjustment }: AddedProps) {
  const { value, for_month } = adjustment
  return (
    <Notice tone="good">
      <strong>Added to the statement of {showMonth(month)}</strong>
      <p role="status">
        {metric?.title ?? adjustment.metric}: {metric === undefined ? value : exactWithUnit(value, metric.unit)} for {showMonth(for_month)}. Its id is{' '}
        <code>{id}</code> <CopyButton text={id}>Copy the id</CopyButton>
      </p>
    </Notice>
  )
}
