import type { ProjectStatus } from '../../contract/lists.ts'
import { showDay } from '../numbers/show-time.ts'
import { Badge } from '../parts/notice.tsx'

export function StatusBadge({ status, deletedAt }: { status: ProjectStatus; deletedAt: string | null }) {
  const tone = status === 'active' ? 'good' : status === 'paused' ? 'warn' : 'plain'
  return <Badge tone={tone}>{deletedAt === null ? status : `${status} ${showDay(deletedAt)}`}</Badge>
}
