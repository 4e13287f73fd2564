import { useState } from 'preact/hooks'
import type { ADD_ADJUSTMENT } from '../../contract/statements.ts'
import { parseDecimal } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import { type CallFailed, call } from '../calls/call.ts'
import { failureOf } from '../calls/use-answer.ts'
import { METRIC_TITLES } from '../numbers/metric-titles.ts'
import { exactWithUnit } from '../numbers/show-quantity.ts'
import { showMonth } from '../numbers/show-time.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Notice } from '../parts/notice.tsx'
import { caller } from '../session/session.ts'
import { AdjustmentFields } from './adjustment-fields.tsx'
import type { ListedStatement } from './read-statements.ts'

interface AdjustmentDialogProps {
  readonly partnerId: string
  /** Newest first. */
  readonly statements: readonly ListedStatement[]
  /** `mayHaveAdded`: the line is added, or whether it is added is not known. */
  readonly onClose: (mayHaveAdded: boolean) => void
}

export interface Adjustment {
  readonly id: string
  readonly for_month: string
  readonly project_id: string | undefined
  readonly metric: MetricName
  readonly value: string
  readonly reason: string
}

type Sending =
  | { readonly state: 'none' }
  | { readonly state: 'sending' }
  | { readonly state: 'added'; readonly id: string; readonly month: string; readonly adjustment: Adjustment }
  | { readonly state: 'rejected'; readonly problem: string }
  | { readonly state: 'failed'; readonly failure: CallFailed }

/** Adds a manual line to a partner's next statement. Its id is made once, so that sending it twice adds one line. */
export function AdjustmentDialog({ partnerId, statements, onClose }: AdjustmentDialogProps) {
  const [id] = useState(newId)
  const [sending, setSending] = useState<Sending>({ state: 'none' })
  const next = statements.findLast(({ statement }) => statement.status === 'open')?.statement.month
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const read = readAdjustment(new FormData(event.currentTarget as HTMLFormElement))
    if (typeof read === 'string') return setSending({ state: 'rejected', problem: read })
    setSending({ state: 'sending' })
    const request = { method: 'POST', path: '/admin/v1/statements/:partnerId/adjustments', params: { partnerId }, body: read } as const
    call<typeof ADD_ADJUSTMENT>(caller(), request).then(
      (added) => setSending({ state: 'added', id: added.id, month: added.statement, adjustment: read }),
      (error: unknown) => setSending({ state: 'failed', failure: failureOf(error) }),
    )
  }
  return (
    <Dialog heading="Add an adjustment" onClose={() => onClose(sending.state !== 'none' && sending.state !== 'rejected')}>
      {sending.state === 'added' ? (
        <Added {...sending} />
      ) : (
        <form class="adjustment" onSubmit={submit}>
          <p>
            A wrong event cannot be removed, but its effect on the bill can be corrected. Usage does not change.{' '}
            {next === undefined ? null : <strong>The line lands on the statement of {showMonth(next)}, which is closed next.</strong>} A line that was added
            cannot be removed: an adjustment with the opposite sign takes it back.
          </p>
          <AdjustmentFields id={id} months={statements.map(({ statement }) => statement.month)} />
          <div role="alert">
            {sending.state === 'rejected' ? <Notice tone="bad">{sending.problem}</Notice> : null}
            {sending.state === 'failed' ? (
              <Notice tone="bad">
                <strong>{sending.failure.status === 0 ? 'Whether it was added is not known' : 'It could not be added'}</strong>
                <p>{sending.failure.message}</p>
                {sending.failure.status === 0 ? <p>Adding it again with the same id is safe: it is added once.</p> : null}
                {sending.failure.requestId === undefined ? null : <p class="hint">Request id {sending.failure.requestId}</p>}
              </Notice>
            ) : null}
          </div>
          <div class="actions">
            <button type="submit" class="main" disabled={sending.state === 'sending'}>
              {sending.state === 'sending' ? 'Adding…' : `Add it to the ${next === undefined ? 'next statement' : `statement of ${showMonth(next)}`}`}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  )
}

function Added({ id, month, adjustment: { metric, value, for_month } }: { id: string; month: string; adjustment: Adjustment }) {
  return (
    <Notice tone="good">
      <strong>Added to the statement of {showMonth(month)}</strong>
      <p role="status">
        {METRIC_TITLES[metric]}: {exactWithUnit(value, METRICS[metric].unit)} for {showMonth(for_month)}. Its id is <code>{id}</code>{' '}
        <CopyButton text={id}>Copy the id</CopyButton>
      </p>
    </Notice>
  )
}

/** The fields as the contract wants them, or what is wrong with them. */
function readAdjustment(fields: FormData): Adjustment | string {
  const text = (name: string) => String(fields.get(name) ?? '').trim()
  // A minus sign as word processors write it.
  const value = text('value').replace('−', '-').replace(/^\+/, '')
  const metric = METRIC_NAMES.find((name) => name === text('metric'))
  const parsed = parseDecimal(value)
  if (metric === undefined) return 'Choose a metric.'
  if (parsed === undefined) return `The value must be a decimal such as -12.5: digits and a point, at most 29 before it and 9 after it, no commas.`
  if (parsed === '0') return 'A value of 0 corrects nothing.'
  if (text('reason') === '') return 'Give a reason: the partner sees it on the statement.'
  return {
    id: text('id'),
    for_month: text('for_month'),
    project_id: text('project_id') === '' ? undefined : text('project_id'),
    metric,
    value,
    reason: text('reason'),
  }
}

const ID_BYTES = 8

/** randomUUID exists on https and localhost only. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES))
  return `manual-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
