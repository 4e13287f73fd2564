import { createEndpoint, type NewEndpoint } from '../../../automation/webhooks/change-endpoints.ts'
import { MessageDelivery, type MessageDeliveryOptions } from '../../../automation/webhooks/deliver-messages.ts'
import type { Endpoint } from '../../../automation/webhooks/endpoints.ts'
import { MessageQueue } from '../../../automation/webhooks/message-queue.ts'
import { messageBody, messageId } from '../../../automation/webhooks/messages.ts'
import { type Networks, parseNetworks } from '../../../outgoing/public-address.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import type { Registry } from '../../../registry/registry.ts'
import { openTestStore, type TestStore } from '../engines/embedded-store.ts'
import { openTestRegistry } from './test-registry.ts'

/** A store with a queue of messages, and deliveries on a clock that only moves when a test moves it. */
export class WebhookWorld {
  readonly registry: Registry
  readonly clock: { nowMs: number }
  readonly logged: object[] = []
  readonly #queue: MessageQueue
  readonly #store: TestStore
  readonly #started: MessageDelivery[] = []
  #messages = 0

  private constructor(store: TestStore, registry: Registry, clock: { nowMs: number }) {
    this.#store = store
    this.registry = registry
    this.clock = clock
    this.#queue = new MessageQueue(store.clickhouse)
  }

  static async open(): Promise<WebhookWorld> {
    const store = await openTestStore()
    const clock = { nowMs: Date.UTC(2026, 1, 1) }
    return new WebhookWorld(store, await openTestRegistry(store.clickhouse, { now: () => clock.nowMs }), clock)
  }

  async close(): Promise<void> {
    await this.endTest()
    await this.#store.close()
  }

  /** Stops all deliveries. */
  async endTest(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((delivery) => delivery.stop()))
    this.logged.length = 0
  }

  async endpoint(url: string, more: Partial<NewEndpoint> = {}): Promise<{ endpoint: Endpoint; secret: string }> {
    const outcome = await createEndpoint(this.registry, SERVICE, { setBy: '', partnerId: '', url, events: ['log.incident'], ...more })
    if (outcome.status !== 'created') throw new Error(outcome.status)
    return outcome
  }

  /** Adds a message to the queue, and returns its id. */
  async message(...endpoints: readonly Endpoint[]): Promise<string> {
    this.#messages += 1
    // Otherwise all messages of a test would be of one moment, and their ids alone would order them.
    this.clock.nowMs += 1
    const id = messageId(['test', this.#messages])
    const { nowMs } = this.clock
    const message = { id, type: 'log.incident' as const, partnerId: '', endpointIds: endpoints.map((each) => each.id), createdMs: nowMs }
    await this.#queue.append(async () => [{ ...message, body: messageBody('log.incident', nowMs, { number: this.#messages }) }])
    return id
  }

  /** Starts deliveries as a process would. They may call this machine, unless other networks are given. */
  deliver({ allowed = networks('127.0.0.0/8'), ...more }: Partial<MessageDeliveryOptions> = {}): MessageDelivery {
    const log = (details: object) => this.logged.push(details)
    const delivery = new MessageDelivery({
      registry: this.registry,
      allowed,
      logger: { info: log, warn: log, error: log },
      webhook: { timeoutMs: 300, responseBytesMax: 1_000 },
      limits: { retryMsFirst: 5, retryMsMax: 20, sweepEveryMs: 10 },
      lease: { beatEveryMs: 20, takeOverAfterMs: 60 },
      ...more,
    })
    this.#started.push(delivery)
    return delivery
  }
}

export function networks(text: string): Networks {
  const parsed = parseNetworks(text)
  if (parsed === undefined) throw new Error(`${text} is no list of networks.`)
  return parsed
}
