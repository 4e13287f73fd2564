import { titleOf } from '../numbers/metric-titles.ts'
import { counted } from '../numbers/show-quantity.ts'
import { type Figure, isUsed } from './figures.ts'
import { MetricCard } from './metric-card.tsx'
import { NoUsageYet } from './no-usage-yet.tsx'
import type { Outlook } from './read-outlook.ts'
import type { ShownUsage } from './shown-usage.ts'

interface MetricCardsProps extends ShownUsage {
  readonly figures: readonly Figure[]
  readonly earlier: readonly Figure[]
  /** For a month. */
  readonly outlook?: Outlook | undefined
}

/** A card for each metric with usage; the others are folded, with their number. */
export function MetricCards({ figures, earlier, outlook, ...shown }: MetricCardsProps) {
  const used = figures.filter(isUsed)
  const unused = figures.filter((figure) => !isUsed(figure))
  if (used.length === 0) return <NoUsageYet {...shown} wasUsedBefore={earlier.some(isUsed)} />
  return (
    <>
      <div class="cards">
        {used.map((figure) => (
          <MetricCard key={figure.metric} {...shown} figure={figure} earlier={earlier.find(({ metric }) => metric === figure.metric)} outlook={outlook} />
        ))}
      </div>
      {unused.length === 0 ? null : (
        <details class="unused">
          <summary>{counted(unused.length, 'metric')} without usage in this period</summary>
          <ul>
            {unused.map(({ metric }) => (
              <li key={metric}>
                {titleOf(metric)} <code>{metric}</code>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}
