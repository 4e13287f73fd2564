import { useEffect, useRef } from 'preact/hooks'
import type { TitledMetric } from '../metrics/use-metrics.ts'
import { exactWithUnit } from '../numbers/show-quantity.ts'
import { showMonth } from '../numbers/show-time.ts'
import type { Adjustment } from './adjustment.ts'

interface AdjustmentReviewProps {
  readonly adjustment: Adjustment
  readonly metric: TitledMetric
  /** The month whose statement gets the line; undefined when it is not known yet. */
  readonly statementOf: string | undefined
  readonly isBusy: boolean
  readonly onAdd: () => void
  readonly onChange: () => void
}

/** A manual line as it will be on the statement, before it is added: it cannot be removed afterwards. */
export function AdjustmentReview({ adjustment, metric, statementOf, isBusy, onAdd, onChange }: AdjustmentReviewProps) {
  const { value, for_month, project_id, reason, id } = adjustment
  const statement = statementOf === undefined ? 'next statement' : `statement of ${showMonth(statementOf)}`
  const add = useRef<HTMLButtonElement>(null)
  // The form is gone, and the focus with it.
  useEffect(() => add.current?.focus(), [])
  const pairs: readonly (readonly [string, string])[] = [
    ['Metric', metric.title],
    ['Value', exactWithUnit(value, metric.unit)],
    ['For', showMonth(for_month)],
    ['Project', project_id ?? 'no single one'],
    ['Reason', reason],
    ['Id', id],
  ]
  return (
    <>
      <p>
        <strong>{value.startsWith('-') ? 'The partner pays less' : 'The partner pays more'}</strong> on the {statement}, by this line:
      </p>
      <dl class="pairs">
        {pairs.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <div class="actions">
        <button ref={add} type="button" class="main" disabled={isBusy} onClick={onAdd}>
          {isBusy ? 'Adding…' : `Add it to the ${statement}`}
        </button>
        <button type="button" disabled={isBusy} onClick={onChange}>
          Change it
        </button>
      </div>
    </>
  )
}
