import { type PartnershipDay, readPartnershipDays } from '../../../aggregator/usage/partnership-days.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { rebuildRollup } from '../../../ingest/repair/rebuild-rollup.ts'
import { DOCUMENTED_METRICS, type MeasuredMetric, type MetricKind } from '../../../metering/metrics.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { MASTER_KEY_BYTES, masterKeyFrom } from '../../../registry/keys/sealing.ts'
import { defineMetric } from '../../../registry/metrics/define-metric.ts'
import { openRegistry } from '../../../registry/open-registry.ts'
import { registerProject } from '../../../registry/projects/register-project.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { openTestStore } from '../engines/embedded-store.ts'
import { plainPartnershipDays, sortDays } from '../oracles/plain-partnership-days.ts'
import { submissionOf } from './submission.ts'

/** The longest possible period, which includes all partnership days. */
export const ALL_DAYS = { first: '1970-01-01', last: '2148-12-30', end: '2148-12-31' }

/** A store with a log and a registry, but without background jobs: days are refreshed only when a test does it. */
export class DaysWorld {
  readonly clickhouse: ClickHouse
  readonly registry: Registry
  #log: HttpLog
  readonly #closeStore: () => Promise<void>
  #events = 0
  readonly #defined = new Map<string, MetricKind>()

  private constructor(registry: Registry, log: HttpLog, closeStore: () => Promise<void>) {
    this.clickhouse = registry.clickhouse
    this.registry = registry
    this.#log = log
    this.#closeStore = closeStore
  }

  static async open(): Promise<DaysWorld> {
    const store = await openTestStore()
    const masterKey = masterKeyFrom(Buffer.alloc(MASTER_KEY_BYTES, 7).toString('base64'))
    if (masterKey === undefined) throw new Error('The master key is invalid.')
    const registry = await openRegistry({
      clickhouse: store.clickhouse,
      masterKeys: { current: masterKey, previous: undefined },
      projectHost: '{slug}.{region}.localhost',
      publicUrl: 'http://localhost',
      provisions: false,
    })
    return new DaysWorld(registry, await openLog(store.clickhouse), () => store.close())
  }

  async close(): Promise<void> {
    await this.#log.stop()
    await this.#closeStore()
  }

  /** Stops the log's owner and starts another one, which reconciles what the first may have left. */
  async replaceLogOwner(between: () => Promise<void> = async () => {}): Promise<void> {
    await this.#log.stop()
    await between()
    this.#log = await openLog(this.clickhouse)
  }

  async partner(name: string): Promise<string> {
    return (await createPartner(this.registry, SERVICE, { name, mode: 'white-label' })).partner.id
  }

  async register(projectId: string, partnerId: string): Promise<void> {
    const { status } = await registerProject(this.registry, SERVICE, { projectId, partnerId, name: projectId })
    if (status !== 'created' && status !== 'updated') throw new Error(status)
  }

  async define(metric: MeasuredMetric): Promise<void> {
    const { status } = await defineMetric({ ...this.registry, now: Date.now }, SERVICE, { ...metric, description: 'Of a test.', display: '' })
    if (status !== 'defined') throw new Error(status)
    this.#defined.set(metric.metric, metric.kind)
  }

  /** Sends events, each with a new id. They are acknowledged when it returns. */
  async post(...events: readonly (readonly [project: string, metric: string, day: string, value: string])[]): Promise<void> {
    const sent = events.map(([project_id, metric, day, value]) => {
      this.#events += 1
      return { event_id: `e${this.#events}`, project_id, metric, value, timestamp: `${day}T12:00:00Z` }
    })
    const metrics = { kindOf: (metric: string) => DOCUMENTED_METRICS.kindOf(metric) ?? this.#defined.get(metric) }
    const verdicts = await this.#log.submit(submissionOf(sent, Date.now(), metrics))
    if (verdicts.some(({ status }) => status !== 'counted')) throw new Error(JSON.stringify(verdicts))
  }

  /** Counts the rollup of a month again from raw. */
  async rebuild(month: string): Promise<void> {
    const { status } = await rebuildRollup(this.clickhouse, month, { runBetweenBatches: this.#log.runBetweenBatches, note: async () => {} })
    if (status !== 'rebuilt') throw new Error(status)
  }

  /** The partner's days of all times, as readers get them. */
  async read(partnerId: string, clickhouse = this.clickhouse): Promise<PartnershipDay[]> {
    return sortDays(await readPartnershipDays(clickhouse, partnerId, ALL_DAYS))
  }

  plain(partnerId: string): Promise<PartnershipDay[]> {
    return plainPartnershipDays(this.clickhouse, partnerId)
  }
}

function openLog(clickhouse: ClickHouse): Promise<HttpLog> {
  return openHttpLog({ clickhouse, logger: { info: () => {}, warn: () => {}, error: () => {} }, onLost: () => {} })
}
