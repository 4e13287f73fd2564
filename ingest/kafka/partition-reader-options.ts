import type { Logger } from '../../metering/logger.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import type { KnownMetrics } from '../event/known-metrics.ts'
import type { BackOffLimits } from '../log/back-off.ts'
import type { Incident } from './incident.ts'
import type { PartitionLog } from './partition-log.ts'
import type { PartLimits } from './split-batch.ts'
import type { GroupReader } from './topic.ts'

export interface PartitionReaderOptions {
  readonly partitionLog: PartitionLog
  readonly groupReader: () => GroupReader
  readonly control: Lane
  /** Without it, only the documented metrics are counted. */
  readonly metrics?: KnownMetrics | undefined
  readonly logger: Logger
  readonly limits: PartitionReaderLimits
}

export interface PartitionReaderLimits extends PartLimits, BackOffLimits {
  /** A partition that another process took over, although the group assigns it here, is taken back after this long without a heartbeat. */
  readonly ownerTimeoutMs: number
  /** How often the owner of a log shows that it lives. */
  readonly heartbeatEveryMs: number
}

export type ReaderState =
  | { readonly status: 'acquiring'; readonly reason: string }
  | { readonly status: 'reading' }
  | { readonly status: 'stopped'; readonly incident: Incident }
  | { readonly status: 'ended' }
