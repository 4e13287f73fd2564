import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { QUERY_WAS_CANCELLED_CODE, StoreError } from '../sql/errors.ts'
import { type Ownership, tagOfLog, takeLog } from '../sql/fence.ts'
import { type Actor, AUDIT_COLUMNS, type AuditHead, auditRow, entryAfter, type Noted, readAuditHead } from './audit-log.ts'

/** The log under which the registry is changed. */
const REGISTRY_LOG = 'registry'
const TAKES_MAX = 10
const PAUSE_MS_MAX = 400
const PAUSE_MS_FIRST = 25

/** What a change may do, in the name of the ownership it was decided under. */
export interface Change {
  /** Tells the audit log. Before the rows: a change without its entry cannot be. */
  note(noted: Noted): Promise<void>
  /** Sends rows through the fence. */
  write(table: string, columns: readonly string[], rows: (owner: readonly (string | number)[]) => string): Promise<void>
}

/**
 * Changes that must be unique (a living name, the partner of a project id) are decided on what is stored and written
 * through the fence of one log, so that nothing can have changed between the two: a write that comes after another
 * process's take is refused, and the change starts again. Within this process they run one after another. One log for
 * all partners, not one each: an id must belong to one partner, whoever asks first; and the audit log is one chain.
 */
export class RegistryChanges {
  readonly #clickhouse: ClickHouse
  #owned: { ownership: Ownership; head: AuditHead } | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  /**
   * Runs `decide`, again when another process came between: what it wrote the first time may have landed, so it looks at
   * what is stored and must come to the same end. Throws StoreError.
   */
  run<T>(actor: Actor, decide: (change: Change) => Promise<T>): Promise<T> {
    const running = this.#last.then(() => this.#attempt(actor, decide))
    this.#last = running.catch(() => {})
    return running
  }

  /** For a change that is no row of the registry, and for a secret that is read: told before it is done. Throws StoreError. */
  note(actor: Actor, noted: Noted): Promise<void> {
    return this.run(actor, (change) => change.note(noted))
  }

  async #attempt<T>(actor: Actor, decide: (change: Change) => Promise<T>): Promise<T> {
    for (let takes = 0; takes < TAKES_MAX; takes += 1) {
      // Two processes that take the log from each other without a pause would both come to nothing.
      if (takes > 0) await sleep(Math.min(PAUSE_MS_MAX, PAUSE_MS_FIRST * 2 ** takes) * Math.random())
      this.#owned ??= await this.#take()
      if (this.#owned === undefined) continue
      try {
        return await decide(this.#changeOf(actor, this.#owned.ownership))
      } catch (thrown) {
        if (!(thrown instanceof StoreError)) throw thrown
        // Whatever the error: what was sent may still arrive, so this ownership writes nothing more.
        this.#owned = undefined
        if (!isOvertaken(thrown)) throw thrown
      }
    }
    throw new StoreError('unavailable', `The registry was changed by other processes ${TAKES_MAX} times in a row. Try again.`)
  }

  #changeOf(actor: Actor, ownership: Ownership): Change {
    const write: Change['write'] = (...rows) => this.#write(ownership, ...rows)
    return {
      write,
      note: async (noted) => {
        if (this.#owned?.ownership !== ownership) throw new StoreError('fenced', 'This change runs under an ownership that has ended.')
        const entry = entryAfter(this.#owned.head, Date.now(), { actor, noted })
        await write('audit_log_inbox_v1', AUDIT_COLUMNS, (owner) => auditRow(owner, entry))
        this.#owned = { ownership, head: entry }
      },
    }
  }

  async #take(): Promise<{ ownership: Ownership; head: AuditHead } | undefined> {
    const taken = await takeLog(this.#clickhouse, REGISTRY_LOG)
    return taken.status === 'taken' ? { ownership: taken.ownership, head: await readAuditHead(this.#clickhouse) } : undefined
  }

  async #write({ log, epoch, owner }: Ownership, ...[table, columns, rows]: Parameters<Change['write']>): Promise<void> {
    await this.#clickhouse.registry.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], text: rows([log, epoch, owner]), tag: tagOfLog(log) })
  }
}

/** Another process's take refuses what comes after it, and kills what is running. */
function isOvertaken({ fault, code }: StoreError): boolean {
  return fault === 'fenced' || code === QUERY_WAS_CANCELLED_CODE
}
