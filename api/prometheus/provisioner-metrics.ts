import { Counter, type Registry } from 'prom-client'
import type { Provisioner } from '../../registry/provisioner/provisioner.ts'
import { knownGauge } from './known-gauge.ts'

/** What this process delivered to the platform, and how many projects are pending for all processes. */
export function provisionerMetrics(register: Registry, provisioner: Provisioner): void {
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers: [register],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  counter('meterline_provisioner_deliveries_total', 'Project states that the platform acknowledged.', () => provisioner.stats().delivered)
  counter(
    'meterline_provisioner_failures_total',
    'Failed attempts to deliver a project state; they are retried until they succeed.',
    () => provisioner.stats().failed,
  )
  const help = 'Projects whose newest state the platform has not acknowledged, as of a few seconds ago; at most 10,000 are counted.'
  knownGauge(register, { name: 'meterline_provisioner_pending', help }, () => provisioner.stats().pending)
}
