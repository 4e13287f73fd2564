import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Exports } from '../../../aggregator/exports/exports.ts'
import { Deliveries, type DeliveriesOptions } from '../../../automation/deliveries/deliveries.ts'
import type { RunOutcome } from '../../../automation/schedules/run-outcome.ts'
import type { ExportAction } from '../../../contract/schedules.ts'
import { acquireLease, type Lease } from '../../../sql/lease.ts'
import type { Credentials } from '../clients/client.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { untilSo } from '../until-so.ts'
import { makeExportedMonths } from './exported-month.ts'
import { LOOPBACK } from './scheduled-world.ts'
import { startTestService, type TestService } from './test-service.ts'

export const IN_MARCH = Date.UTC(2026, 2, 15, 6)

interface Order {
  readonly scheduleId: string
  readonly dueMs?: number
  readonly deliveries?: Deliveries
  readonly signal?: AbortSignal
}

/** Two closed months and an open one, and folders to deliver them to. */
export class DeliveredWorld {
  readonly tested: TestService
  readonly partner: Credentials
  readonly #directory = makeTemporaryDirectory()
  readonly #closers: (() => unknown)[] = []
  #lease: Lease | undefined
  #folders = 0

  private constructor(tested: TestService, partner: Credentials) {
    this.tested = tested
    this.partner = partner
  }

  static async open(): Promise<DeliveredWorld> {
    const tested = await startTestService()
    // On a busy machine a service that has just started answers 503 for a moment.
    await untilSo(async () => (await tested.client.admin('GET', '/admin/v1/partners')).status === 200)
    return DeliveredWorld.of(tested, await makeExportedMonths(tested.client))
  }

  /** Of a service that has its months. */
  static async of(tested: TestService, partner: Credentials): Promise<DeliveredWorld> {
    const world = new DeliveredWorld(tested, partner)
    await world.acquireLease()
    return world
  }

  async close(): Promise<void> {
    await this.tested.stop()
    this.#directory.remove()
  }

  async endTest(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close()
  }

  onEnd(close: () => unknown): void {
    this.#closers.push(close)
  }

  get exportDir(): string {
    return this.#directory.path
  }

  get lease(): Lease {
    if (this.#lease === undefined) throw new Error('There is no lease.')
    return this.#lease
  }

  /** A lease of the test: the one of schedules belongs to the service. */
  async acquireLease(): Promise<void> {
    const outcome = await acquireLease(this.tested.service.clickhouse, 'test/deliveries')
    if (outcome.status !== 'acquired') throw new Error('The lease was not acquired.')
    this.#lease = outcome.lease
  }

  deliveries(more: Partial<DeliveriesOptions> = {}): Deliveries {
    const { clickhouse } = this.tested.service
    const exports = new Exports({ registry: { clickhouse }, generator: 'test', currency: 'USD', now: Date.now })
    this.onEnd(() => exports.stop())
    const limits = { retryMsFirst: 1, retryMsMax: 3, timeoutMs: 2_000 }
    return new Deliveries({ clickhouse, exports, exportDir: this.exportDir, allowed: LOOPBACK, now: Date.now, limits, ...more })
  }

  deliver(
    action: ExportAction,
    { scheduleId, dueMs = IN_MARCH, deliveries = this.deliveries(), signal = new AbortController().signal }: Order,
  ): Promise<RunOutcome> {
    return deliveries.deliver({ scheduleId, dueMs, kind: 'schedule', runId: `run_${dueMs}`, lease: this.lease, signal }, action, { 'x-own': 'yes' })
  }

  newFolder(): string {
    this.#folders += 1
    return `folder-${this.#folders}`
  }

  filesIn(folder: string): string[] {
    const names = readdirSync(join(this.exportDir, folder), { recursive: true, encoding: 'utf8' })
    return names.filter((name) => /\.[a-z]\w*$/.test(name)).sort()
  }

  contentOf(folder: string, name: string): Buffer {
    return readFileSync(join(this.exportDir, folder, name))
  }

  /** The manifests in a folder, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests compare what they read
  manifestsIn(folder: string): any[] {
    const names = this.filesIn(folder).filter((name) => name.endsWith('.manifest.json'))
    return names.map((name) => JSON.parse(this.contentOf(folder, name).toString()))
  }
}
