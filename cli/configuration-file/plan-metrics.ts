import type { MetricEntry } from './schema.ts'
import type { Metric } from './service-state.ts'
import { changeOf, type MetricStep, type Planned } from './steps.ts'

/** Whether a change is allowed only the service knows: it depends on whether an event has counted. */
export function planMetric(entry: MetricEntry, known: Metric | undefined): Planned<MetricStep> {
  const { name, kind, unit, description, display, labels } = entry
  const changes = [
    ...changeOf('kind', known?.kind, kind),
    ...changeOf('unit', known?.unit, unit),
    ...changeOf('description', known?.description, description),
    ...changeOf('display', known?.display, display),
    ...changeOf('labels', known === undefined ? undefined : shown(known.labels), labels === undefined ? undefined : shown(labels)),
  ]
  if (changes.length === 0) return { skipped: [] }
  // The service replaces the whole definition, and what the file does not mention stays.
  const wanted = { ...entry, display: display ?? known?.display }
  return { step: { kind: 'metric', action: known === undefined ? 'create' : 'update', id: name, name, changes, wanted }, skipped: [] }
}

/** In any order they are the same. Without labels nothing is set. */
function shown(labels: readonly string[]): string | undefined {
  return labels.length === 0 ? undefined : labels.toSorted().join(', ')
}
