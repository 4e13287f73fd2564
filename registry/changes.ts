import type { ClickHouse } from '../sql/clickhouse.ts'
import { StoreError } from '../sql/errors.ts'
import { type Ownership, tagOfLog, takeLog } from '../sql/fence.ts'

/** The log under which the registry is changed. */
const REGISTRY_LOG = 'registry'
const TAKES_MAX = 5

/** Sends rows through the fence, in the name of the change that is running. */
export type WriteRows = (table: string, columns: readonly string[], rows: (owner: readonly (string | number)[]) => string) => Promise<void>

/**
 * Changes that must be unique (a living name, the partner of a project id) are decided on what is stored and written
 * through the fence of one log, so that nothing can have changed between the two: a write that comes after another
 * process's take is refused, and the change starts again. Within this process they run one after another. One log for
 * all partners, not one each: an id must belong to one partner, whoever asks first.
 */
export class RegistryChanges {
  readonly #clickhouse: ClickHouse
  #ownership: Ownership | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  /** Runs `decide`, again when another process came between. Throws StoreError. */
  run<T>(decide: (write: WriteRows) => Promise<T>): Promise<T> {
    const running = this.#last.then(() => this.#attempt(decide))
    this.#last = running.catch(() => {})
    return running
  }

  async #attempt<T>(decide: (write: WriteRows) => Promise<T>): Promise<T> {
    for (let takes = 0; takes < TAKES_MAX; takes += 1) {
      const ownership = this.#ownership ?? (await this.#take())
      if (ownership === undefined) continue
      this.#ownership = ownership
      try {
        return await decide((...rows) => this.#write(ownership, ...rows))
      } catch (thrown) {
        if (!(thrown instanceof StoreError)) throw thrown
        // Whatever the error: what was sent may still arrive, so this ownership writes nothing more.
        this.#ownership = undefined
        if (thrown.fault !== 'fenced') throw thrown
      }
    }
    throw new StoreError('unavailable', `The registry was changed by other processes ${TAKES_MAX} times in a row. Try again.`)
  }

  async #take(): Promise<Ownership | undefined> {
    const taken = await takeLog(this.#clickhouse, REGISTRY_LOG)
    return taken.status === 'taken' ? taken.ownership : undefined
  }

  async #write({ log, epoch, owner }: Ownership, ...[table, columns, rows]: Parameters<WriteRows>): Promise<void> {
    await this.#clickhouse.registry.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], text: rows([log, epoch, owner]), tag: tagOfLog(log) })
  }
}
