import { type PartnershipDay, readPartnershipDays } from '../../../aggregator/usage/partnership-days.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { MASTER_KEY_BYTES, masterKeyFrom } from '../../../registry/keys/sealing.ts'
import { openRegistry } from '../../../registry/open-registry.ts'
import { registerProject } from '../../../registry/projects/register-project.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { openTestStore } from '../engines/embedded-store.ts'
import { inOneOrder, plainPartnershipDays } from '../oracles/plain-partnership-days.ts'
import { submissionOf } from './submission.ts'

/** The longest span there is: partnership days of all times. */
export const ALL_DAYS = { first: '1970-01-01', last: '2148-12-30', end: '2148-12-31' }

/** A store with a log and a registry, and nothing that goes on by itself: a refresh happens when a test says so. */
export class DaysWorld {
  readonly clickhouse: ClickHouse
  readonly registry: Registry
  #log: HttpLog
  readonly #closeStore: () => Promise<void>
  #events = 0

  private constructor(registry: Registry, log: HttpLog, closeStore: () => Promise<void>) {
    this.clickhouse = registry.clickhouse
    this.registry = registry
    this.#log = log
    this.#closeStore = closeStore
  }

  static async open(): Promise<DaysWorld> {
    const store = await openTestStore()
    const masterKey = masterKeyFrom(Buffer.alloc(MASTER_KEY_BYTES, 7).toString('base64'))
    if (masterKey === undefined) throw new Error('The key has another length.')
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

  /** The log's owner stops, and its successor settles what it may have left. */
  async takeAnew(between: () => Promise<void> = async () => {}): Promise<void> {
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

  /** Acknowledged when it returns. Every event is a new one. */
  async post(...events: readonly (readonly [project: string, metric: string, day: string, value: string])[]): Promise<void> {
    const sent = events.map(([project_id, metric, day, value]) => {
      this.#events += 1
      return { event_id: `e${this.#events}`, project_id, metric, value, timestamp: `${day}T12:00:00Z` }
    })
    const verdicts = await this.#log.submit(submissionOf(sent))
    if (verdicts.some(({ status }) => status !== 'counted')) throw new Error(JSON.stringify(verdicts))
  }

  /** What the reader answers of all times. */
  async read(partnerId: string, clickhouse = this.clickhouse): Promise<PartnershipDay[]> {
    return inOneOrder(await readPartnershipDays(clickhouse, partnerId, ALL_DAYS))
  }

  plain(partnerId: string): Promise<PartnershipDay[]> {
    return plainPartnershipDays(this.clickhouse, partnerId)
  }
}

function openLog(clickhouse: ClickHouse): Promise<HttpLog> {
  return openHttpLog({ clickhouse, logger: { info: () => {}, warn: () => {}, error: () => {} }, onLost: () => {} })
}
