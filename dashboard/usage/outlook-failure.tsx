import type { Answer } from '../calls/use-answer.ts'
import { Notice } from '../parts/notice.tsx'

/** Says why there is no outlook. The totals are complete without it. */
export function OutlookFailure({ outlook }: { outlook: Answer<unknown> }) {
  if (outlook.state !== 'failed') return null
  return (
    <Notice tone="warn">
      <strong>Thresholds and the projection are not shown</strong>
      <p>{outlook.failure.message} Refresh to try again.</p>
    </Notice>
  )
}
