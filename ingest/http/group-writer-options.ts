import type { Logger } from '../../metering/logger.ts'
import type { BackOffLimits } from '../log/back-off.ts'
import type { OwnedLog } from '../log/owned-log.ts'

export interface GroupWriterOptions {
  readonly owned: OwnedLog
  readonly logger: Logger
  /** Throws when another process that is alive owns the log. Called before the lease is acquired, except after a failed write. */
  readonly requireNoLiveOwner: () => Promise<void>
  /** Called once when another process has acquired the lease: this one can never write again. */
  readonly onLost: (error: Error) => void
  /** Called when nothing is written any more. */
  readonly onEnded: () => void
  readonly limits: GroupWriterLimits
}

export interface GroupWriterLimits extends BackOffLimits {
  /** Requests that arrive during one insert share the next, up to this many events. */
  readonly batchEventsMax: number
  /** How many months and days one insert touches. */
  readonly batchMonthsMax: number
  readonly batchDaysMax: number
  /** What may wait. A key that fills more of it than it leaves free is answered 503 immediately. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  readonly heartbeatEveryMs: number
}
