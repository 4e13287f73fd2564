import { Counter, type Registry } from 'prom-client'
import type { KnownMetrics } from '../../ingest/event/known-metrics.ts'

export function labelMetrics(register: Registry, known: Pick<KnownMetrics, 'ignoredLabels'>): void {
  new Counter({
    name: 'meterline_labels_ignored_total',
    help: 'Labels of events that do not count, because their metric does not declare them or their value is no short text.',
    registers: [register],
    collect() {
      this.reset()
      this.inc(known.ignoredLabels)
    },
  })
}
