import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { AuditHead } from '../contract/audit-chain.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { isFenced, isOvertaken, StoreError } from '../sql/errors.ts'
import { acquireLease, type Lease, leaseTag, newOwnerName } from '../sql/lease.ts'
import { defineQuery } from '../sql/query.ts'
import { type Actor, AUDIT_COLUMNS, type AuditedChange, auditRow, entriesAfter, type NotedChange, readAuditHead } from './audit-log.ts'
import { type ChangeGroup, ChangeQueue, type QueuedChange } from './change-queue.ts'
import type { MasterKeys } from './keys/sealing.ts'
import { LeaseGrace } from './lease-grace.ts'

/** The lease under which the registry is changed. */
const REGISTRY_LEASE = 'registry'
/** Spreads the processes that wait, so that one acquires the lease first and the others see that it did. */
const JITTER_MS_MAX = 100

/** What a change may do, under the lease that was valid when it was decided. */
export interface Change {
  /** Writes an entry of the audit log. It comes before the rows, so that no change exists without its entry. */
  note(noted: AuditedChange): Promise<void>
  /** Sends rows through the fence, which rejects them once another process has acquired the lease. */
  write(table: string, columns: readonly string[], rows: (owner: readonly (string | number)[]) => string): Promise<void>
}

/** What the changes of a group may do together, under the lease that was valid when they were decided. */
export interface GroupChange<R> extends Pick<Change, 'write'>, RegistryReads {
  readonly lease: Lease
  /** Whether an earlier attempt at these changes was stopped without it being known whether its rows were stored. */
  readonly mayHaveLanded: boolean
  /** In the order in which they are decided. */
  readonly requested: readonly Requested<R>[]
  /** Adds those that wait by now. A group that takes them as late as it can is larger, and fewer groups are written. */
  takeWaiting(): void
  /** Writes the entries of the audit log, chained in this order, in one insert. They come before the rows of every change of the group. */
  note(noted: readonly NotedChange[]): Promise<void>
}

/** What a caller requests of a group. */
export interface Requested<R> {
  readonly actor: Actor
  readonly request: R
}

/** How changes of one kind are decided and written together. */
export interface ChangeKind<R> {
  /** Decides the changes in order, each on what is stored and on the ones before it. It is run again like RegistryChanges.run. */
  carryOut(group: GroupChange<R>): Promise<void>
}

/** What a function needs that reads the registry. */
export interface RegistryReads {
  readonly clickhouse: ClickHouse
}

/** What a function needs that changes the registry: it decides on what it reads and writes through `changes`. */
export interface RegistryStore extends RegistryReads {
  readonly changes: RegistryChanges
}

/** What a function needs that seals texts before it stores them. */
export interface SealingStore extends RegistryStore {
  readonly masterKeys: MasterKeys
}

/**
 * Runs changes that must be unique, such as the name of a project or the partner that owns a project id. A change is decided
 * on what is stored and written under one lease, so nothing can change in between: when another process acquires the lease,
 * the fence rejects the write and the change is decided again.
 * - Within a process, changes run one group at a time in the order of change-queue.ts. Each insert waits for the disk, so the
 *   changes that waited together share one insert of audit entries and one of rows.
 * - There is one lease for all partners, not one each: an id belongs to one partner only, whichever requests it first, and the
 *   audit log is one chain.
 * - Processes that change at the same time give each other a grace (lease-grace.ts): acquiring the lease kills what its last
 *   owner has in progress, so two processes that keep acquiring it would livelock.
 */
export class RegistryChanges {
  readonly #clickhouse: ClickHouse
  readonly #queue: ChangeQueue<PendingChange>
  #acquired: AcquiredLease | undefined
  /** The owner name of this process's last acquisition, including one whose outcome is unknown. */
  #ownerName: string | undefined
  readonly #grace = new LeaseGrace()

  constructor(clickhouse: ClickHouse, { changeMsMax }: { changeMsMax?: number } = {}) {
    this.#clickhouse = clickhouse
    this.#queue = new ChangeQueue(changeMsMax)
  }

  /**
   * Runs `decide` alone, and again when another process acquired the lease meanwhile. What the first run wrote may have landed,
   * so `decide` has to read what is stored and come to the same result. Throws StoreError; TooManyWaiting for a partner that
   * sends more changes than the queue admits.
   */
  async run<T>(actor: Actor, decide: (change: Change) => Promise<T>): Promise<T> {
    let decided!: T
    const alone: ChangeKind<undefined> = {
      carryOut: async ({ note, write }) => {
        decided = await decide({ note: (noted) => note([{ actor, noted }]), write })
      },
    }
    await this.runTogether(actor, { kind: alone, request: undefined, items: 1 })
    return decided
  }

  /** Runs a change together with those of its kind that wait at the same time. Throws like `run`, then for all of its group. */
  runTogether<R>(actor: Actor, { kind, request, items }: { kind: ChangeKind<R>; request: R; items: number }): Promise<void> {
    return this.#queue.run({ actor, kind, request, items }, (group) => this.#attempt(group))
  }

  /** Writes an audit entry alone: for a change outside the registry, and before a secret is read. Throws StoreError. */
  note(actor: Actor, noted: AuditedChange): Promise<void> {
    return this.runTogether(actor, { kind: ENTRY_ALONE, request: noted, items: 1 })
  }

  async #attempt(group: ChangeGroup<PendingChange>): Promise<void> {
    for (let mayHaveLanded = false; ; ) {
      this.#acquired ??= await this.#acquire(group)
      try {
        await group.changes[0]?.kind.carryOut(this.#groupUnder({ lease: this.#acquired.lease, mayHaveLanded }, group))
        this.#grace.noteCompleted()
        return
      } catch (thrown) {
        if (!(thrown instanceof StoreError)) throw thrown
        // Whatever the error, rows that were sent may still land. So nothing more is written under this lease.
        this.#acquired = undefined
        if (!isOvertaken(thrown)) throw thrown
        mayHaveLanded ||= !isFenced(thrown)
        this.#grace.notePreempted()
        group.requireTime()
      }
    }
  }

  #groupUnder(
    { lease, mayHaveLanded }: Pick<GroupChange<unknown>, 'lease' | 'mayHaveLanded'>,
    { changes, takeWaiting }: ChangeGroup<PendingChange>,
  ): GroupChange<unknown> {
    const write: Change['write'] = (...rows) => this.#write(lease, ...rows)
    return {
      clickhouse: this.#clickhouse,
      lease,
      mayHaveLanded,
      requested: changes,
      takeWaiting,
      write,
      note: async (noted) => {
        if (this.#acquired?.lease !== lease) throw new StoreError('fenced', 'The lease under which this change was decided has ended.')
        const entries = entriesAfter(this.#acquired.auditHead, Date.now(), noted)
        const last = entries.at(-1)
        if (last === undefined) return
        await write('audit_log_inbox_v1', AUDIT_COLUMNS, (owner) => entries.map((entry) => auditRow(owner, entry)).join(''))
        this.#acquired = { lease, auditHead: last }
      },
    }
  }

  async #acquire(group: ChangeGroup<PendingChange>): Promise<AcquiredLease> {
    for (let pauses = 0; ; ) {
      const graceMs = await this.#graceMsLeft()
      if (graceMs === 0) {
        this.#ownerName = newOwnerName()
        const outcome = await acquireLease(this.#clickhouse, REGISTRY_LEASE, { owner: this.#ownerName })
        this.#grace.noteAcquired()
        if (outcome.status === 'acquired') return { lease: outcome.lease, auditHead: await readAuditHead(this.#clickhouse) }
      } else {
        pauses += 1
        // The longer a process has waited, the less it adds: it acquires the lease before newer ones.
        await sleep(graceMs + (JITTER_MS_MAX / pauses) * Math.random())
      }
      group.requireTime()
    }
  }

  /** How much grace the owner of the lease has left; 0 when that is this process or its grace is over. */
  async #graceMsLeft(): Promise<number> {
    const [newest] = await this.#clickhouse.control.query(newestRegistryToken, { name: REGISTRY_LEASE })
    if (newest === undefined || newest.owner === this.#ownerName) return 0
    return this.#grace.msLeft(newest)
  }

  async #write({ name: log, epoch, owner }: Lease, ...[table, columns, rows]: Parameters<Change['write']>): Promise<void> {
    await this.#clickhouse.registry.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], text: rows([log, epoch, owner]), tag: leaseTag(log) })
  }
}

interface PendingChange extends QueuedChange {
  readonly kind: ChangeKind<unknown>
  readonly request: unknown
}

const ENTRY_ALONE: ChangeKind<AuditedChange> = {
  carryOut: ({ requested, note }) => note(requested.map(({ actor, request }) => ({ actor, noted: request }))),
}

interface AcquiredLease {
  readonly lease: Lease
  /** The entry that the next one follows. Known without a query, because only the owner of the lease writes entries. */
  readonly auditHead: AuditHead
}

/** The age by the store's clock alone: the clocks of the processes may differ. */
const newestRegistryToken = defineQuery({
  name: 'newest_registry_lease',
  sql: `SELECT newest.2 AS owner, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(newest.3) AS ageMs
        FROM (SELECT max(newest) AS newest FROM leases_v1 WHERE name = {name: String} GROUP BY name)`,
  params: z.object({ name: z.string() }),
  row: z.object({ owner: z.string(), ageMs: z.coerce.number() }),
})
