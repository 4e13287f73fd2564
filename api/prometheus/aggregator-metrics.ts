import { Gauge, type Registry } from 'prom-client'
import type { AuditedDays } from '../../aggregator/audits/day-audits.ts'
import type { BackgroundJobs } from '../../aggregator/background-jobs.ts'
import { knownGauge } from './known-gauge.ts'

/** What the background jobs of this process found. */
export function aggregatorMetrics(register: Registry, { audited, auditedCompletelyMs, disks, due, unregistered }: BackgroundJobs): void {
  const known = (name: string, help: string, read: () => number | undefined) => knownGauge(register, { name, help }, read)
  const ofAudits = (name: string, help: string, read: (days: AuditedDays) => number | undefined) =>
    known(name, help, () => {
      const days = audited()
      return days === undefined ? undefined : read(days)
    })
  ofAudits('meterline_audit_differences', 'Differences that the newest audits of all finished days found. Must be 0.', (days) => days.differences)
  ofAudits('meterline_audit_last_day_seconds', 'The beginning of the newest day audited, in seconds since 1970.', (days) => days.lastDaySeconds)
  known('meterline_audit_complete_seconds', 'When every finished day was last known to be audited, in seconds since 1970.', () => {
    const ms = auditedCompletelyMs()
    return ms === undefined ? undefined : ms / 1000
  })
  diskMetrics(register, disks)
  known('meterline_months_overdue', 'Partners with a month whose grace is over and that could not be closed yet.', () => due()?.overdue)
  known('meterline_months_unconfirmed', 'Partners with a month that only a clock says is over: an operator must close it by hand.', () => due()?.unconfirmed)
  known('meterline_unregistered_projects', 'Projects with usage in the last 31 days that nobody registered, so that no partner is billed for it.', unregistered)
  known('meterline_clocks_disagree', '1 while no month is closed automatically, because the clock of the host is not trusted.', () => {
    const outcome = due()
    return outcome === undefined ? undefined : outcome.clockDisagreement === undefined ? 0 : 1
  })
  known(
    'meterline_adjustments_negative',
    'Corrections of a month to less than was billed, on statements of the last 30 days. Must be 0.',
    () => due()?.negative,
  )
}

/** Of the store, as it reports them: the embedded engine its own disk, a server the disks of its host. */
function diskMetrics(register: Registry, disks: BackgroundJobs['disks']): void {
  const gauge = (name: string, help: string, read: (disk: ReturnType<BackgroundJobs['disks']>[number]) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['disk'],
      registers: [register],
      collect() {
        this.reset()
        for (const disk of disks()) this.set({ disk: disk.disk }, read(disk))
      },
    })
  gauge('meterline_disk_free_bytes', 'Space of the disk of the store that is neither used nor reserved, as of a minute ago.', (disk) => disk.freeBytes)
  gauge('meterline_disk_bytes', 'Size of the disk of the store.', (disk) => disk.totalBytes)
}
