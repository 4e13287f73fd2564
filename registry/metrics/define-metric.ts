import { z } from 'zod'
import { METRICS_MAX } from '../../contract/metrics.ts'
import { isKindOfStates, isMetricName, type MetricKind } from '../../metering/metrics.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Actor } from '../audit-log.ts'
import type { Change, RegistryReads, RegistryStore } from '../changes.ts'
import { type DefinedMetric, readMetrics } from './metrics.ts'

export interface MetricDefinition extends Pick<DefinedMetric, 'metric' | 'kind' | 'unit' | 'description' | 'display'> {
  /** Undefined or empty: they stay as they are. */
  readonly labels?: readonly string[] | undefined
}

/**
 * With any status but `defined`, nothing was changed. `documented`: it is one of the documented metrics. `counted`: an event has counted
 * under it, and kind or unit would change. `other_events`: what is stored of its events would be other than for its kind today.
 * `labelled`: its labels are declared, and would change.
 */
export type DefineMetricOutcome =
  | { readonly status: 'defined'; readonly metric: DefinedMetric }
  | { readonly status: 'documented' }
  | { readonly status: 'counted' }
  | { readonly status: 'other_events' }
  | { readonly status: 'labelled'; readonly labels: readonly string[] }
  | { readonly status: 'full' }

/**
 * Defines a metric, or changes its definition. Only between peak and cumulative the kind changes: what is stored of events of another kind
 * is not the same, and processes that count events cache it. Kind and unit change only while no event has counted under it. Labels change no
 * total, so they can be declared at any time, also for the documented metrics; once declared they never change. The order is the guarantee:
 * 1. Check that no event has counted.
 * 2. Write the new definition. What is counted from here on is read with it.
 * 3. Check again. An event that was counted in between was counted under the definition before, so that one is restored.
 * Throws StoreError.
 */
export function defineMetric(
  registry: RegistryStore & { readonly now: () => number },
  actor: Actor,
  { labels: declared = [], ...given }: MetricDefinition,
): Promise<DefineMetricOutcome> {
  return registry.changes.run(actor, async (change): Promise<DefineMetricOutcome> => {
    const all = await readMetrics(registry)
    const known = all.find(({ metric }) => metric === given.metric)
    const definition = { ...given, labels: declared.length === 0 ? (known?.labels ?? []) : declared.toSorted() }
    const isLabelled = known !== undefined && !isEqual(known.labels, definition.labels)
    if (known !== undefined && !isLabelled && isSame(known, definition)) return { status: 'defined', metric: known }
    if (isMetricName(definition.metric) && (known === undefined || !isSame(known, definition))) return { status: 'documented' }
    if (isLabelled && known.labels.length > 0) return { status: 'labelled', labels: known.labels }
    if (known === undefined && all.length >= METRICS_MAX) return { status: 'full' }
    const changesTotals = known !== undefined && (known.kind !== definition.kind || known.unit !== definition.unit)
    if (changesTotals && storesOther(known.kind, definition.kind)) return { status: 'other_events' }
    if (changesTotals && (await hasCounted(registry, known.metric))) return { status: 'counted' }
    const metric = { ...definition, revision: (known?.revision ?? 0) + 1, createdMs: known?.createdMs ?? registry.now() }
    await change.note({
      action: known === undefined ? 'metric.define' : 'metric.change',
      subject: metric.metric,
      details: { kind: metric.kind, unit: metric.unit, ...(metric.labels.length > 0 && { labels: metric.labels }) },
    })
    await writeMetric(change, metric)
    if (!changesTotals || !(await hasCounted(registry, metric.metric))) return { status: 'defined', metric }
    await change.note({ action: 'metric.change', subject: known.metric, details: { kind: known.kind, unit: known.unit } })
    await writeMetric(change, { ...known, revision: metric.revision + 1 })
    return { status: 'counted' }
  })
}

function storesOther(before: MetricKind, after: MetricKind): boolean {
  const isFixed = (kind: MetricKind) => kind === 'count' || isKindOfStates(kind)
  return before !== after && (isFixed(before) || isFixed(after))
}

function isSame(known: DefinedMetric, { kind, unit, description, display }: MetricDefinition): boolean {
  return known.kind === kind && known.unit === unit && known.description === description && known.display === display
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((key, index) => key === other[index])
}

async function writeMetric(change: Change, { metric, revision, kind, unit, description, display, createdMs, labels }: DefinedMetric): Promise<void> {
  const columns = ['metric', 'revision', 'kind', 'unit', 'description', 'display', 'created_ms', 'labels']
  // Keys contain no character that would need escaping.
  const keys = `[${labels.map((key) => `'${key}'`).join(',')}]`
  await change.write('metrics_inbox_v1', columns, (owner) => row([...owner, metric, revision, kind, unit, description, display, createdMs, keys]))
}

/** Whether an event has counted under a metric. */
async function hasCounted({ clickhouse }: RegistryReads, metric: string): Promise<boolean> {
  return (await queryOne(clickhouse.registry, countedRows, { metric })).hasRows === 1
}

/** The rollup is written with raw, and has a fraction of its rows. */
const countedRows = defineQuery({
  name: 'has_metric_counted',
  sql: `SELECT toUInt8(count() > 0) AS hasRows FROM (SELECT 1 FROM project_usage_per_day_v1 WHERE metric = {metric: String} LIMIT 1)`,
  params: z.object({ metric: z.string() }),
  row: z.object({ hasRows: z.number() }),
})
