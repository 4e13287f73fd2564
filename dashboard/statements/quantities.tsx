import { titleOf } from '../numbers/metric-titles.ts'
import { exactWithUnit } from '../numbers/show-quantity.ts'
import type { ListedStatement } from './read-statements.ts'
import { unbilledOf } from './sums.ts'

interface QuantitiesProps {
  readonly totals: readonly { readonly metric: string; readonly unit: string; readonly value: string }[]
  readonly none: string
  readonly isTotal?: boolean
}

/** Quantities of several metrics, each with all its digits. */
export function Quantities({ totals, none, isTotal = false }: QuantitiesProps) {
  if (totals.length === 0) return <>{none}</>
  return (
    <dl class="quantities">
      {totals.map(({ metric, unit, value }) => (
        <div key={metric}>
          <dt>{titleOf(metric)}</dt>
          <dd data-total={isTotal ? metric : undefined}>{exactWithUnit(value, unit)}</dd>
        </div>
      ))}
    </dl>
  )
}

/** What arrived after the month was closed, by metric. */
export function Unbilled({ totals }: { totals: ListedStatement['totals'] }) {
  const listed = totals.flatMap((total) => {
    const value = unbilledOf(total)
    return value === undefined ? [] : [{ metric: total.metric, unit: total.unit, value }]
  })
  return <Quantities totals={listed} none="nothing" />
}
