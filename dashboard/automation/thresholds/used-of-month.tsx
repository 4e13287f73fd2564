import { compareDecimals, percentOf } from '../../../metering/exact-decimal.ts'
import type { Answer } from '../../calls/use-answer.ts'
import { allDigits, exactWithUnit } from '../../numbers/show-quantity.ts'
import { Badge } from '../../parts/notice.tsx'
import type { Threshold } from './call-thresholds.ts'
import { USED_SHOWN_MAX, type UsedById } from './use-used.ts'
import { valueOfLevel } from './value-of-level.ts'

interface UsedOfMonthProps {
  readonly threshold: Threshold
  readonly used: Answer<UsedById>
}

/** What is used in the current month, how much of the budget that is, and which levels it has reached. */
export function UsedOfMonth({ threshold, used }: UsedOfMonthProps) {
  if (used.state === 'loading') return <span class="hint">Reading…</span>
  if (used.state === 'failed') return <span class="hint">It cannot be read right now. Refresh the page.</span>
  const value = used.value.get(threshold.id)
  if (value === undefined) return <span class="hint">Shown for the first {USED_SHOWN_MAX} thresholds</span>
  const { levels, budget, unit } = threshold
  return (
    <div>
      {exactWithUnit(value, unit)}
      {budget === null ? null : <PercentOfBudget used={value} budget={budget} />}
      <div class="reasons">
        {levels
          .filter((level) => compareDecimals(value, valueOfLevel(level, budget)) >= 0)
          .map(({ name }) => (
            <Badge key={name} tone="warn">
              {name} reached
            </Badge>
          ))}
      </div>
    </div>
  )
}

/** Cut to a whole number: 100 % is never shown before the budget is used. Nothing where a double cannot have that number. */
function PercentOfBudget({ used, budget }: { used: string; budget: string }) {
  const near = Math.floor((Number(used) / Number(budget)) * 100)
  if (!Number.isSafeInteger(near)) return null
  const percent = compareDecimals(percentOf(budget, near), used) > 0 ? near - 1 : near
  return <> ({allDigits(String(percent))} % of the budget)</>
}
