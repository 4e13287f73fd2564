import { Counter, Gauge, type Registry } from 'prom-client'
import type { Provisioner } from '../../registry/provisioner/provisioner.ts'

/** What this process handed over to the platform, and what is left to hand over, whoever does it. */
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
  counter('meterline_provisioner_deliveries_total', 'Project states that the platform took over.', () => provisioner.stats().delivered)
  counter('meterline_provisioner_failures_total', 'Attempts to hand a project over that failed; they are repeated for ever.', () => provisioner.stats().failed)
  new Gauge({
    name: 'meterline_provisioner_pending',
    help: 'Projects of which the platform does not know the newest state, a few seconds ago; at most 10,000 are told.',
    registers: [register],
    collect() {
      const { pending } = provisioner.stats()
      // No value rather than a 0 that nobody has read.
      if (pending === undefined) this.remove()
      else this.set(pending)
    },
  })
}
