import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { METRIC_KINDS, METRIC_NAMES, METRICS, type MetricKind, type MetricKinds } from '../../metering/metrics.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { ValidatedEvent } from './pipeline.ts'

/** A process reads the catalogue at most this often, however many events of unknown metrics arrive. */
const READ_EVERY_MS = 100
/** And this often because of labels that it does not know: they are ignored, and no event waits for their declaration. */
const READ_LABELS_EVERY_MS = 1_000

/**
 * The metrics under which this process counts events. A metric that is once defined stays defined, and whether its events have a value
 * never changes, so what was read is kept; nor do labels, once they are declared. A metric that is defined later is read with the first
 * event of it: see `refresh`.
 */
export class KnownMetrics implements MetricKinds {
  readonly #lane: Lane
  #kinds: ReadonlyMap<string, MetricKind> = DOCUMENTED
  #labels: ReadonlyMap<string, readonly string[]> = new Map()
  #ignoredLabels = 0
  #readMs = Number.NEGATIVE_INFINITY
  /** When the read began whose result is known: what was declared before it is known. */
  #knownMs = Number.NEGATIVE_INFINITY
  /** The next read, which has not been sent yet. */
  #next: Promise<void> | undefined

  constructor(lane: Lane) {
    this.#lane = lane
  }

  kindOf(metric: string): ReturnType<MetricKinds['kindOf']> {
    return this.#kinds.get(metric)
  }

  labelsOf(metric: string): readonly string[] {
    return this.#labels.get(metric) ?? NO_KEYS
  }

  /** How many labels of the events of this process did not count, since it started. */
  get ignoredLabels(): number {
    return this.#ignoredLabels
  }

  noteIgnoredLabels(validated: ValidatedEvent): void {
    if (validated.status === 'valid') this.#ignoredLabels += validated.ignoredLabels ?? 0
  }

  /** Whether reading the catalogue again may change this event: its metric or a label of it may have been declared since. */
  mayBeOutdatedFor(validated: ValidatedEvent): boolean {
    if (validated.status === 'valid') return (validated.ignoredLabels ?? 0) > 0 && performance.now() - this.#knownMs >= READ_LABELS_EVERY_MS
    return isOfUnknownMetric(validated)
  }

  /**
   * Reads the catalogue. What was defined before the call is known afterwards, so that no event is rejected because this process did not
   * know its metric yet. Calls within 100 ms share one query. Throws StoreError.
   */
  refresh(): Promise<void> {
    this.#next ??= this.#read()
    return this.#next
  }

  async #read(): Promise<void> {
    const waitMs = this.#readMs + READ_EVERY_MS - performance.now()
    // Also without a wait, what calls now belongs to this read.
    await sleep(Math.max(0, waitMs))
    this.#next = undefined
    const beganMs = performance.now()
    this.#readMs = beganMs
    const rows = await this.#lane.query(definedMetrics, {})
    this.#kinds = new Map([...rows.map(({ metric, kind }) => [metric, kind] as const), ...DOCUMENTED])
    this.#knownMs = Math.max(this.#knownMs, beganMs)
    this.#labels = new Map(rows.flatMap(({ metric, labels }) => (labels.length === 0 ? [] : [[metric, labels] as const])))
  }
}

const DOCUMENTED: ReadonlyMap<string, MetricKind> = new Map(METRIC_NAMES.map((metric) => [metric, METRICS[metric].kind]))

const NO_KEYS: readonly string[] = []

/** Whether an event was rejected only because its metric is not known to this process. */
function isOfUnknownMetric(validated: ValidatedEvent): boolean {
  return validated.status === 'rejected' && validated.rejection.reason === 'unknown_metric'
}

const definedMetrics = defineQuery({
  name: 'defined_metric_kinds',
  sql: 'SELECT metric, kind, labels FROM metrics_v1 FINAL',
  params: z.object({}),
  row: z.object({ metric: z.string(), kind: z.enum(METRIC_KINDS), labels: z.array(z.string()) }),
})
