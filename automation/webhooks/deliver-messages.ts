import { FAILING_DAYS_MAX } from '../../contract/webhook-events.ts'
import type { Logger } from '../../metering/logger.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import { type AttemptOutcome, type DeliveryLimits, DeliveryLoop, type DeliveryStats } from '../../outgoing/deliver-until-acknowledged.ts'
import { isOvertaken } from '../../sql/errors.ts'
import { HELD_LEASE_LIMITS, HeldLease, type HeldLeaseLimits } from '../held-lease.ts'
import { readHealth, writeAttempt } from './attempts.ts'
import { disableFailingEndpoint } from './disable-endpoint.ts'
import { type Endpoint, findEndpoint, isEnabled, readEndpoints } from './endpoints.ts'
import { type PendingMessage, readNextMessage, readPendingEndpoints } from './pending-messages.ts'
import { type SenderOptions, sendToEndpoint } from './send-to-endpoint.ts'

export interface MessageDeliveryOptions extends SenderOptions {
  readonly logger: Logger
  readonly limits?: Partial<DeliveryLimits>
  readonly lease?: HeldLeaseLimits
}

const LIMITS: DeliveryLimits = {
  retryMsFirst: 5_000,
  retryMsMax: 3_600_000,
  sweepEveryMs: 2_000,
  // Only the process that has the lease sees what is pending at all.
  takeOverAfterMs: 0,
  concurrentDeliveriesMax: 16,
}

/**
 * Delivers pending messages. An endpoint is one line: one attempt at a time, one message after the other, and a pause after a failure
 * that grows with each one. So an endpoint that hangs occupies one of the slots until its time-out and then waits, however many messages
 * it has, and the others get theirs. One process delivers at a time (held-lease.ts). The order is the guarantee:
 * 1. Check the lease, then read the next message, the endpoint and its secrets.
 * 2. Send it. A crash after: the message is sent again, under the same webhook-id.
 * 3. Store the attempt. Only then the next message is read.
 */
export class MessageDelivery {
  readonly #options: MessageDeliveryOptions
  readonly #lease: HeldLease
  readonly #loop: DeliveryLoop

  constructor(options: MessageDeliveryOptions) {
    const { registry, logger } = options
    this.#options = options
    const uptimeMs = () => performance.now()
    this.#lease = new HeldLease({ clickhouse: registry.clickhouse, name: 'automation/deliveries', uptimeMs, ...HELD_LEASE_LIMITS, ...options.lease })
    this.#loop = new DeliveryLoop({
      name: 'webhooks',
      keyName: 'webhook',
      limits: { ...LIMITS, ...options.limits },
      logger,
      readPending: () => this.#readPending(),
      attempt: (endpointId) => this.#attempt(endpointId),
    })
  }

  stats(): DeliveryStats {
    return this.#loop.stats()
  }

  /** Waits for the attempts in progress. What is left is found in the store by the next start. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    await this.#lease.release().catch(() => {})
  }

  async #readPending() {
    const { registry } = this.#options
    const enabled = (await readEndpoints(registry)).filter(isEnabled)
    // Without a webhook there is nothing to deliver, so the lease is not acquired, which would write.
    if (enabled.length === 0 || !(await this.#hasLease(() => this.#lease.hold()))) return []
    const pending = await readPendingEndpoints(
      registry.clickhouse,
      enabled.map(({ id }) => id),
      registry.now(),
    )
    // Always the same revision: a new one would end the pause of an endpoint that fails.
    return pending.map((key) => ({ key, revision: 1 }))
  }

  async #hasLease(request: () => Promise<object | undefined>): Promise<boolean> {
    try {
      return (await request()) !== undefined
    } catch (thrown) {
      this.#lease.drop()
      if (isOvertaken(thrown)) return false
      throw thrown
    }
  }

  async #attempt(endpointId: string): Promise<AttemptOutcome> {
    const { registry } = this.#options
    // Another process may have it by now, and delivers the rest. Only a sweep acquires it again.
    if (!(await this.#hasLease(() => this.#lease.keep()))) return { status: 'nothing_pending' }
    const endpoint = await findEndpoint(registry, endpointId)
    if (endpoint === undefined || !isEnabled(endpoint) || endpoint.removedMs !== null) return { status: 'nothing_pending' }
    const message = await readNextMessage(registry.clickhouse, endpointId, registry.now())
    if (message === undefined) return { status: 'nothing_pending' }
    return this.#send(endpoint, message)
  }

  async #send(endpoint: Endpoint, message: PendingMessage): Promise<AttemptOutcome> {
    const { registry } = this.#options
    const sent = await sendToEndpoint(this.#options, endpoint, message)
    await writeAttempt(registry.clickhouse, sent.attempt)
    if (sent.attempt.outcome === 'delivered') return { status: 'acknowledged' }
    const { outcome, httpStatus, detail } = sent.attempt
    if ((await this.#disableIfFailing(endpoint)) === 'disabled') return { status: 'nothing_pending' }
    return { status: 'failed', retryAfterMs: sent.retryAfterMs, details: { message: message.id, outcome, httpStatus, detail } }
  }

  async #disableIfFailing(endpoint: Endpoint): Promise<'disabled' | 'enabled'> {
    const { registry, logger } = this.#options
    const failingSinceMs = (await readHealth(registry.clickhouse, [endpoint])).get(endpoint.id)?.failingSinceMs
    if (failingSinceMs === null || failingSinceMs === undefined || registry.now() - failingSinceMs < FAILING_DAYS_MAX * MS_PER_DAY) return 'enabled'
    if ((await disableFailingEndpoint(registry, endpoint.id, failingSinceMs)) !== undefined) {
      const partnerId = endpoint.setBy === '' ? undefined : endpoint.setBy
      logger.error(
        { webhook: endpoint.id, partnerId, days: FAILING_DAYS_MAX },
        'webhooks: nothing could be delivered for days, so the webhook was disabled; enable it when its receiver works',
      )
    }
    return 'disabled'
  }
}
