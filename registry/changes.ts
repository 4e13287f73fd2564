import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { QUERY_WAS_CANCELLED_CODE, StoreError } from '../sql/errors.ts'
import { acquireLease, type Lease, leaseTag, newOwnerName } from '../sql/lease.ts'
import { defineQuery } from '../sql/query.ts'
import { type Actor, AUDIT_COLUMNS, type AuditedChange, type AuditHead, auditRow, entryAfter, readAuditHead } from './audit-log.ts'
import { ChangeQueue, type RequireTime } from './change-queue.ts'

/** The log under which the registry is changed. */
const REGISTRY_LOG = 'registry'
/** For so long a process that has taken the log is left to work off what waits in it, before another takes it. */
const COURTESY_MS = 300
/** Twice as long each time that a process came to nothing itself: the store is so slow that a turn is too short for a change. */
const COURTESY_MS_MAX = 2_400
/** So that of several who wait one comes first and the others see its take. */
const JITTER_MS_MAX = 100

/** What a change may do, in the name of the ownership it was decided under. */
export interface Change {
  /** Tells the audit log. Before the rows: a change without its entry cannot be. */
  note(noted: AuditedChange): Promise<void>
  /** Sends rows through the fence. */
  write(table: string, columns: readonly string[], rows: (owner: readonly (string | number)[]) => string): Promise<void>
}

/** What a function needs that reads the registry. */
export interface RegistryReads {
  readonly clickhouse: ClickHouse
}

/** What a function needs that changes the registry: it decides on what it reads and writes through `changes`. */
export interface RegistryStore extends RegistryReads {
  readonly changes: RegistryChanges
}

/**
 * Changes that must be unique (a living name, the partner of a project id) are decided on what is stored and written
 * through the fence of one log, so that nothing can have changed between the two: a write that comes after another
 * process's take is refused, and the change starts again. Within this process they run one after another, in the order
 * of change-queue.ts. One log for all partners, not one each: an id must belong to one partner, whoever asks first; and the
 * audit log is one chain. Processes that change at once leave each other some time (COURTESY_MS): each take kills what the
 * other has under way, and two that only took would both come to nothing.
 */
export class RegistryChanges {
  readonly #clickhouse: ClickHouse
  readonly #queue: ChangeQueue
  #owned: Owned | undefined
  /** The name of this process's last take, also of one of which it is not known whether it landed. */
  #tookAs: string | undefined
  /** How often it was overtaken since it last brought a change to its end. */
  #inVain = 0

  constructor(clickhouse: ClickHouse, { changeMsMax }: { changeMsMax?: number } = {}) {
    this.#clickhouse = clickhouse
    this.#queue = new ChangeQueue(changeMsMax)
  }

  /**
   * Runs `decide`, again when another process came between: what it wrote the first time may have landed, so it looks at
   * what is stored and must come to the same end. Throws StoreError; TooManyWaiting for a partner that sends too many at once.
   */
  run<T>(actor: Actor, decide: (change: Change) => Promise<T>): Promise<T> {
    return this.#queue.run(actor, (requireTime) => this.#attempt(actor, decide, requireTime))
  }

  /** For a change that is no row of the registry, and for a secret that is read: told before it is done. Throws StoreError. */
  note(actor: Actor, noted: AuditedChange): Promise<void> {
    return this.run(actor, (change) => change.note(noted))
  }

  async #attempt<T>(actor: Actor, decide: (change: Change) => Promise<T>, requireTime: RequireTime): Promise<T> {
    for (;;) {
      this.#owned ??= await this.#take(requireTime)
      try {
        const decided = await decide(this.#changeOf(actor, this.#owned.ownership))
        this.#inVain = 0
        return decided
      } catch (thrown) {
        if (!(thrown instanceof StoreError)) throw thrown
        // Whatever the error: what was sent may still arrive, so this ownership writes nothing more.
        this.#owned = undefined
        if (!isOvertaken(thrown)) throw thrown
        this.#inVain += 1
        requireTime()
      }
    }
  }

  #changeOf(actor: Actor, ownership: Lease): Change {
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

  async #take(requireTime: RequireTime): Promise<Owned> {
    for (let pauses = 0; ; ) {
      const pauseMs = await this.#courtesyMs()
      if (pauseMs === 0) {
        this.#tookAs = newOwnerName()
        const taken = await acquireLease(this.#clickhouse, REGISTRY_LOG, { owner: this.#tookAs })
        if (taken.status === 'acquired') return { ownership: taken.lease, head: await readAuditHead(this.#clickhouse) }
      } else {
        pauses += 1
        // Who has waited for more turns of others comes sooner.
        await sleep(pauseMs + (JITTER_MS_MAX / pauses) * Math.random())
      }
      requireTime()
    }
  }

  /** How long the last one to take the log is left to itself; 0 when that was this process, or is long ago. */
  async #courtesyMs(): Promise<number> {
    const [newest] = await this.#clickhouse.control.query(newestRegistryTake, { log: REGISTRY_LOG })
    if (newest === undefined || newest.owner === this.#tookAs) return 0
    const courtesyMs = Math.min(COURTESY_MS_MAX, COURTESY_MS * 2 ** Math.max(0, this.#inVain - 1))
    return Math.min(courtesyMs, Math.max(0, courtesyMs - newest.ageMs))
  }

  async #write({ name: log, epoch, owner }: Lease, ...[table, columns, rows]: Parameters<Change['write']>): Promise<void> {
    await this.#clickhouse.registry.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], text: rows([log, epoch, owner]), tag: leaseTag(log) })
  }
}

interface Owned {
  readonly ownership: Lease
  readonly head: AuditHead
}

/** By the store's clock alone: those of the processes may differ. */
const newestRegistryTake = defineQuery({
  name: 'newest_registry_take',
  sql: `SELECT owner, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(taken_at) AS ageMs
        FROM log_owners_v1 WHERE log = {log: String} ORDER BY epoch DESC, owner DESC LIMIT 1`,
  params: z.object({ log: z.string() }),
  row: z.object({ owner: z.string(), ageMs: z.coerce.number() }),
})

/** Another process's take refuses what comes after it, and kills what is running. */
function isOvertaken({ fault, code }: StoreError): boolean {
  return fault === 'fenced' || code === QUERY_WAS_CANCELLED_CODE
}
