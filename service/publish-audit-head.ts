import { type RunningJob, repeat } from '../aggregator/repeat.ts'
import type { AuditHead } from '../contract/audit-chain.ts'
import type { Logger } from '../metering/logger.ts'
import { readAuditHead } from '../registry/audit-log.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'

export interface PublishedHead extends Pick<RunningJob, 'stop'> {
  /** The newest entry as of the last run; undefined before the first. */
  current(): AuditHead | undefined
}

/**
 * Logs the end of the audit log at the start and every ten minutes. Someone who can write to the database can cut entries off or forge a
 * whole chain, but cannot change a line that a log store has: `meterline audit-log verify --head` compares the two.
 */
export function publishAuditHead(clickhouse: ClickHouse, logger: Logger): PublishedHead {
  let head: AuditHead | undefined
  const publish = async () => {
    head = await readAuditHead(clickhouse)
    logger.info({ entries: head.seq, head: `${head.seq}:${head.hash}` }, 'the audit log ends here; "meterline audit-log verify --head" detects a cut-off end')
  }
  const job = repeat({ name: 'audit_head', everyMs: PUBLISH_EVERY_MS, run: publish, logger })
  return { current: () => head, stop: () => job.stop() }
}

const PUBLISH_EVERY_MS = 10 * 60_000
