import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { requireSource, SOURCE_CHECK_EVERY_MS, SourceNotInForce } from './source-in-force.ts'

/**
 * Whether the source of this process is in force, for readiness and before events are accepted. It is a hint: what is counted is
 * decided with the lease of each log. While the store cannot be read, the last answer stays valid, because events can still be
 * produced then.
 */
export class SourceWatch {
  readonly #clickhouse: ClickHouse
  readonly #source: string
  readonly #logger: Logger
  #notInForce: string | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #lastCheck: Promise<void> = Promise.resolve()

  constructor({ clickhouse, source, logger }: { clickhouse: ClickHouse; source: string; logger: Logger }) {
    this.#clickhouse = clickhouse
    this.#source = source
    this.#logger = logger
  }

  /** Why events of this process's source are not counted; undefined if they are. */
  get notInForce(): string | undefined {
    return this.#notInForce
  }

  /** Checks for the first time, which claims the source in a store that has none, and then every second. Throws StoreError. */
  async start(): Promise<void> {
    await this.#check()
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#lastCheck
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#lastCheck = this.#check()
        .catch((error: unknown) => this.#logger.warn({ err: error }, 'the source in force cannot be read; the last known one is used'))
        .finally(() => {
          if (!this.#stopped) this.#schedule()
        })
    }, SOURCE_CHECK_EVERY_MS)
  }

  async #check(): Promise<void> {
    try {
      await requireSource(this.#clickhouse, this.#source)
      this.#notInForce = undefined
    } catch (error) {
      if (!(error instanceof SourceNotInForce)) throw error
      this.#notInForce = error.message
    }
  }
}
