import { Badge } from '../../parts/notice.tsx'
import type { Schedule } from './call-schedules.ts'

export function ActiveBadge({ isActive }: { isActive: boolean }) {
  return isActive ? <Badge tone="good">active</Badge> : <Badge tone="warn">paused</Badge>
}

/** What a run does, as one line. */
export function actionOf({ export: delivered, functionUrl, httpMethod }: Schedule): string {
  if (delivered === null) return `${httpMethod} ${functionUrl ?? ''}`
  const { what, focus, period, format, partner, to } = delivered
  const target = 'folder' in to ? `the folder ${to.folder}` : to.url
  return `Delivers ${what}${focus === undefined ? '' : ` ${focus}`} of ${period} as ${format}${partner === undefined ? '' : ` of ${partner}`} to ${target}`
}
