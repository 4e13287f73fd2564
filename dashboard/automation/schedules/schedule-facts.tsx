import { hasByteDays } from '../../../contract/export-formats.ts'
import { showTime } from '../../numbers/show-time.ts'
import { Badge } from '../../parts/notice.tsx'
import type { Schedule } from './call-schedules.ts'

export function ActiveBadge({ isActive }: { isActive: boolean }) {
  return isActive ? <Badge tone="good">active</Badge> : <Badge tone="warn">paused</Badge>
}

/** How a run went. */
export function OutcomeBadge({ isSuccess }: { isSuccess: boolean }) {
  return isSuccess ? <Badge tone="good">succeeded</Badge> : <Badge tone="bad">failed</Badge>
}

/** When it ran last and how that went, with the reason if it failed. */
export function LastRun({ schedule: { lastExecutedAt, lastSuccess, lastMessage } }: { schedule: Schedule }) {
  if (lastExecutedAt === null) return <span>never</span>
  return (
    <span>
      {showTime(lastExecutedAt)} <OutcomeBadge isSuccess={lastSuccess === true} />
      {lastSuccess === true ? null : <small class="breakable"> {lastMessage}</small>}
    </span>
  )
}

/** What a run does, as one line. */
export function actionOf({ export: delivered, functionUrl, httpMethod }: Schedule): string {
  if (delivered === null) return `${httpMethod} ${functionUrl ?? ''}`
  const { what, focus, period, format, partner, to } = delivered
  const byteDays = hasByteDays(delivered) ? ' with byte-days' : ''
  const target = 'folder' in to ? `the folder ${to.folder}` : to.url
  return `Delivers ${what}${focus === undefined ? '' : ` ${focus}`}${byteDays} of ${period} as ${format}${partner === undefined ? '' : ` of ${partner}`} to ${target}`
}
