import type { RecentLogs } from './recent-logs.ts'

export interface ServiceLogs {
  readonly recentLogs: RecentLogs
  /** What this process does, for the answer. */
  readonly part: string
  /** What no line may show, whatever it says: the credentials of the process itself. */
  readonly secrets: readonly string[]
}
