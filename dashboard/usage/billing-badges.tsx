import type { Period } from '../address/period.ts'
import { showDay, showTime } from '../numbers/show-time.ts'
import { Badge } from '../parts/notice.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'

interface BillingBadgesProps {
  readonly as_of: string | null
  readonly billing_status: 'provisional' | 'final'
  readonly period: Period
  readonly onRefresh: () => void
  readonly isRefreshing: boolean
}

/** Which days are shown, up to when their usage is complete, and whether the bill for them can still change. */
export function BillingBadges({ as_of, billing_status, period, onRefresh, isRefreshing }: BillingBadgesProps) {
  const complete = as_of === null ? 'No event was counted yet' : `Complete as of ${showTime(as_of)}`
  return (
    <div class="badges">
      <Badge>
        {showDay(period.first)} – {showDay(period.last)}, UTC days
      </Badge>
      <Badge tone={as_of === null ? 'warn' : 'plain'} title="Every event received up to this time is counted.">
        {complete}
      </Badge>
      {billing_status === 'final' ? (
        <Badge tone="good" title="Every month in this period is closed, and nothing that arrived late is unbilled.">
          Final
        </Badge>
      ) : (
        <Badge tone="warn" title="A month in this period is open, or usage arrived late and is not billed yet.">
          Provisional
        </Badge>
      )}
      <RefreshButton isQuiet isRefreshing={isRefreshing} onRefresh={onRefresh} />
      <span class="visually-hidden" role="status">
        {isRefreshing ? '' : complete}
      </span>
    </div>
  )
}
