import type { Registry } from 'prom-client'
import type { AuditHead } from '../../contract/audit-chain.ts'
import { knownGauge } from './known-gauge.ts'

/** The number of the newest entry. The hash of it is in the log of the process, because a label may not change all the time. */
export function auditLogMetrics(register: Registry, auditHead: () => AuditHead | undefined): void {
  const help = 'Number of the newest entry of the audit log, as of a few minutes ago. It only grows.'
  knownGauge(register, { name: 'meterline_audit_log_entries', help }, () => auditHead()?.seq)
}
