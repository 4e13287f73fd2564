import type { Logger } from '../../metering/logger.ts'
import { type AttemptOutcome, type DeliveryLimits, DeliveryLoop, type PendingDelivery } from '../../outgoing/deliver-until-acknowledged.ts'
import { sendWebhook, type WebhookLimits, type WebhookTarget } from '../../outgoing/send-webhook.ts'
import type { RegistryStore } from '../changes.ts'
import { findProject, type Project } from '../projects/project.ts'
import { noteProvisioned } from './note-provisioned.ts'
import { type ProvisionedState, readPendingProjects } from './pending-projects.ts'
import { projectMessage } from './project-message.ts'
import { ProvisionedWaits } from './provisioned-waits.ts'

export interface ProvisionerLimits extends DeliveryLimits {
  /** How long a call waits for the platform before it is answered that provisioning continues. */
  readonly waitMsMax: number
  /** Undefined: the defaults of send-webhook.ts. */
  readonly webhook: WebhookLimits | undefined
}

const PROVISION_WAIT_MS_MAX = 30_000

const PROVISIONER_LIMITS: ProvisionerLimits = {
  waitMsMax: PROVISION_WAIT_MS_MAX,
  retryMsFirst: 1_000,
  retryMsMax: 300_000,
  sweepEveryMs: 5_000,
  takeOverAfterMs: 30_000,
  concurrentDeliveriesMax: 8,
  webhook: undefined,
}

export interface ProvisionerOptions {
  readonly registry: RegistryStore
  readonly target: WebhookTarget
  readonly logger: Logger
  readonly limits?: Partial<ProvisionerLimits>
}

export interface ProvisionerStats {
  /** Projects to hand over when the table was last read; undefined before the first time. */
  readonly pending: number | undefined
  readonly delivered: number
  readonly failed: number
}

/**
 * Hands changed projects over to the platform. The table of projects is the queue: it says of which projects the platform has
 * not acknowledged the newest state, and that state is delivered until it does (outgoing/deliver-until-acknowledged.ts).
 */
export class Provisioner {
  readonly #options: ProvisionerOptions
  readonly #limits: ProvisionerLimits
  readonly #deliveries: DeliveryLoop
  readonly #waits: ProvisionedWaits

  constructor(options: ProvisionerOptions) {
    const { registry, logger } = options
    this.#options = options
    this.#limits = { ...PROVISIONER_LIMITS, ...options.limits }
    this.#waits = new ProvisionedWaits(registry.clickhouse, this.#limits.waitMsMax)
    this.#deliveries = new DeliveryLoop({
      name: 'provisioner',
      keyName: 'projectId',
      limits: this.#limits,
      logger,
      readPending: () => this.#readPending(),
      attempt: (projectId) => this.#attempt(projectId),
    })
  }

  /** Call it after a project was changed; it does not wait for the platform. A change whose caller crashed first is found by the sweep. */
  handOver({ id, wantedRevision, provisionedRevision }: Project): void {
    if (provisionedRevision < wantedRevision) this.#deliveries.deliver({ key: id, revision: wantedRevision })
  }

  /** The project's state once the platform knows what is wanted; undefined when that takes too long, although delivery continues. */
  async provisioned({ id, status, wantedRevision, provisionedRevision }: Project): Promise<ProvisionedState | undefined> {
    if (provisionedRevision >= wantedRevision) return { projectId: id, status, provisionedRevision }
    return this.#waits.wait(id, wantedRevision)
  }

  stats(): ProvisionerStats {
    const { pending, acknowledged, failed } = this.#deliveries.stats()
    return { pending, delivered: acknowledged, failed }
  }

  /** Answers every waiting call immediately, as if its time were over. */
  endWaits(): Promise<void> {
    return this.#waits.end()
  }

  /** Waits for the deliveries in progress. What is left is found in the table by the next start. */
  async stop(): Promise<void> {
    await Promise.all([this.#deliveries.stop(), this.endWaits()])
  }

  async #readPending(): Promise<PendingDelivery[]> {
    const pending = await readPendingProjects(this.#options.registry.clickhouse)
    return pending.map(({ projectId, wantedRevision }) => ({ key: projectId, revision: wantedRevision }))
  }

  async #attempt(projectId: string): Promise<AttemptOutcome> {
    const { registry, target } = this.#options
    const project = await findProject(registry, projectId)
    if (project === undefined || project.provisionedRevision >= project.wantedRevision) return { status: 'nothing_pending' }
    const outcome = await sendWebhook(target, projectMessage(project, Date.now()), this.#limits.webhook)
    if (outcome.status !== 'delivered') {
      // The URL is not logged: it may contain a token.
      const details = { revision: project.wantedRevision, ...outcome }
      return { status: 'failed', retryAfterMs: 'retryAfterMs' in outcome ? outcome.retryAfterMs : undefined, details }
    }
    // After a crash here the state is delivered again, under the same id.
    await noteProvisioned(registry, project)
    await this.#waits.check()
    return { status: 'acknowledged' }
  }
}
