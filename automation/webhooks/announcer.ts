import type { ClickHouse } from '../../sql/clickhouse.ts'
import type { MessageQueue } from './message-queue.ts'

/** What a function needs that announces something that is stored already. */
export interface Announcer {
  readonly clickhouse: ClickHouse
  readonly queue: MessageQueue
  /** ms since 1970. */
  readonly now: () => number
}
