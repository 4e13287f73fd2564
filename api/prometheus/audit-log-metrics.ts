import { Gauge, type Registry } from 'prom-client'
import type { AuditHead } from '../../contract/audit-chain.ts'

/** The number of the newest entry. The hash of it is in the log of the process, because a label may not change all the time. */
export function auditLogMetrics(register: Registry, auditHead: () => AuditHead | undefined): void {
  new Gauge({
    name: 'meterline_audit_log_entries',
    help: 'Number of the newest entry of the audit log, as of a few minutes ago. It only grows.',
    registers: [register],
    collect() {
      const head = auditHead()
      // No value, rather than a 0 that was never read.
      if (head === undefined) this.remove()
      else this.set(head.seq)
    },
  })
}
