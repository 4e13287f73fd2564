import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../metering/logger.ts'
import { retryMs } from '../../outgoing/back-off.ts'
import { type Delivery, type DeliveryLimits, sendWebhook, type WebhookTarget } from '../../outgoing/send-webhook.ts'
import type { RegistryStore } from '../changes.ts'
import { findProject, type Project } from '../projects/project.ts'
import { DeliveryState } from './delivery-state.ts'
import { noteProvisioned } from './note-provisioned.ts'
import { type ProvisionedState, readPendingProjects } from './pending-projects.ts'
import { projectMessage } from './project-message.ts'
import { ProvisionedWaits } from './provisioned-waits.ts'
import { Turns } from './turns.ts'

export interface ProvisionerLimits {
  /** How long a call waits for the platform before it is told that the change goes on without it. */
  readonly waitMsMax: number
  readonly retryMsFirst: number
  readonly retryMsMax: number
  /** How often the table is looked at for what nobody here has in hand. */
  readonly sweepEveryMs: number
  /** What another process has not brought home in this time is taken from it. */
  readonly leftAfterMs: number
  readonly deliveriesAtOnceMax: number
  /** Undefined: those of the sender. */
  readonly delivery: DeliveryLimits | undefined
}

const PROVISION_WAIT_MS_MAX = 30_000

const PROVISIONER_LIMITS: ProvisionerLimits = {
  waitMsMax: PROVISION_WAIT_MS_MAX,
  retryMsFirst: 1_000,
  retryMsMax: 300_000,
  sweepEveryMs: 5_000,
  leftAfterMs: 30_000,
  deliveriesAtOnceMax: 8,
  delivery: undefined,
}

export interface ProvisionerOptions {
  readonly registry: RegistryStore
  readonly target: WebhookTarget
  readonly logger: Logger
  readonly limits?: Partial<ProvisionerLimits>
}

export interface ProvisionerStats {
  /** Projects to hand over when the table was last looked at; undefined before the first time. */
  readonly pending: number | undefined
  readonly delivered: number
  readonly failed: number
}

/**
 * Hands changed projects over to the platform. It goes by the state, not by the change: the table of projects says of which
 * ones the platform does not know the newest state, and that state is sent until it is acknowledged, for ever. So nothing is
 * lost by a crash, and a change that was overtaken by another is never sent. Of one project one message is under way at a
 * time. Several processes may send the same message (at least once): its id and its revision tell.
 */
export class Provisioner {
  readonly #options: ProvisionerOptions
  readonly #limits: ProvisionerLimits
  readonly #inHand = new Map<string, { readonly handOver: DeliveryState; readonly running: Promise<void> }>()
  readonly #turns: Turns
  readonly #waits: ProvisionedWaits
  readonly #stopping = new AbortController()
  readonly #sweeping: Promise<void>
  /** Since when what others should have in hand was seen to be pending, by the clock of this process alone. */
  #seen: ReadonlyMap<string, { readonly revision: number; readonly sinceMs: number }> = new Map()
  #pending: number | undefined
  #delivered = 0
  #failed = 0

  constructor(options: ProvisionerOptions) {
    this.#options = options
    this.#limits = { ...PROVISIONER_LIMITS, ...options.limits }
    this.#turns = new Turns(this.#limits.deliveriesAtOnceMax)
    this.#waits = new ProvisionedWaits(options.registry.clickhouse, this.#limits.waitMsMax)
    this.#sweeping = this.#sweepAgainAndAgain()
  }

  /** For whoever has just changed a project; it is not waited for. What is forgotten here, the sweep finds. */
  handOver({ id, wantedRevision, provisionedRevision }: Project): void {
    if (provisionedRevision < wantedRevision) this.#take(id, wantedRevision)
  }

  /** How the project is once the platform knows what was wanted of it; undefined when that takes too long. It goes on. */
  async provisioned({ id, status, wantedRevision, provisionedRevision }: Project): Promise<ProvisionedState | undefined> {
    if (provisionedRevision >= wantedRevision) return { projectId: id, status, provisionedRevision }
    return this.#waits.wait(id, wantedRevision)
  }

  stats(): ProvisionerStats {
    return { pending: this.#pending, delivered: this.#delivered, failed: this.#failed }
  }

  /** Whoever waits is told at once that it goes on. */
  endWaits(): Promise<void> {
    return this.#waits.end()
  }

  /** Ends the deliveries under way. What is left, the next start takes from the table. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const { handOver } of this.#inHand.values()) handOver.wake()
    await Promise.all([this.endWaits(), this.#sweeping, ...[...this.#inHand.values()].map(({ running }) => running)])
  }

  #take(projectId: string, revision: number): void {
    if (this.#stopping.signal.aborted) return
    const inHand = this.#inHand.get(projectId)
    if (inHand !== undefined) {
      inHand.handOver.ask(revision)
      return
    }
    const handOver = new DeliveryState(revision)
    this.#inHand.set(projectId, { handOver, running: this.#deliverUntilSettled(projectId, handOver) })
  }

  async #deliverUntilSettled(projectId: string, handOver: DeliveryState): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const outcome = await this.#turns.run(() => this.#attempt(projectId, handOver))
      if (outcome.status === 'settled' && !handOver.isAsked) break
      if (outcome.status === 'failed' && !this.#stopping.signal.aborted)
        await handOver.rest(retryMs(this.#limits, Math.max(1, handOver.failures), { askedMs: outcome.askedMs }))
    }
    this.#inHand.delete(projectId)
  }

  async #attempt(projectId: string, handOver: DeliveryState): Promise<Attempt> {
    if (this.#stopping.signal.aborted) return { status: 'settled' }
    const { registry, target, logger } = this.#options
    handOver.begin()
    try {
      const project = await findProject(registry, projectId)
      if (project === undefined || project.provisionedRevision >= project.wantedRevision) return { status: 'settled' }
      const delivery = await sendWebhook(target, projectMessage(project, Date.now()), this.#limits.delivery)
      if (delivery.status !== 'delivered') return this.#fail(project, handOver, delivery)
      // After a crash here it is sent once more, under the same id.
      await noteProvisioned(registry, project)
      handOver.end('delivered')
      this.#delivered += 1
      await this.#waits.look()
      return { status: 'delivered' }
    } catch (error) {
      handOver.end('failed')
      this.#failed += 1
      logger.error({ err: error, projectId }, 'a project could not be handed over to the platform; it is tried again')
      return { status: 'failed', askedMs: 0 }
    }
  }

  /** The URL is not told: it may have a token in it. */
  #fail({ id, wantedRevision }: Project, handOver: DeliveryState, delivery: Exclude<Delivery, { status: 'delivered' }>): Attempt {
    handOver.end('failed')
    this.#failed += 1
    const told = { projectId: id, revision: wantedRevision, failures: handOver.failures, ...delivery }
    this.#options.logger.warn(told, 'the platform did not take a project over; it is tried again')
    return { status: 'failed', askedMs: 'retryAfterMs' in delivery ? (delivery.retryAfterMs ?? 0) : 0 }
  }

  async #sweepAgainAndAgain(): Promise<void> {
    const { signal } = this.#stopping
    for (let isFirst = true; !signal.aborted; ) {
      try {
        await this.#sweep(isFirst ? 0 : this.#limits.leftAfterMs)
        isFirst = false
      } catch (error) {
        this.#options.logger.error({ err: error }, 'the projects to hand over could not be read; it is tried again')
      }
      await sleep(this.#limits.sweepEveryMs, undefined, { signal }).catch(() => {})
    }
  }

  /** A start takes all there is, for who had it in hand may be gone with the process before. */
  async #sweep(leftAfterMs: number): Promise<void> {
    const pending = await readPendingProjects(this.#options.registry.clickhouse)
    const nowMs = performance.now()
    const seen = new Map<string, { revision: number; sinceMs: number }>()
    for (const { projectId, wantedRevision: revision } of pending) {
      const before = this.#seen.get(projectId)
      const sinceMs = before?.revision === revision ? before.sinceMs : nowMs
      seen.set(projectId, { revision, sinceMs })
      if (this.#inHand.has(projectId) || nowMs - sinceMs >= leftAfterMs) this.#take(projectId, revision)
    }
    this.#seen = seen
    this.#pending = pending.length
  }
}

type Attempt = { readonly status: 'delivered' | 'settled' } | { readonly status: 'failed'; readonly askedMs: number }
