import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse, Lane } from './clickhouse.ts'
import { StoreError } from './errors.ts'
import { defineQuery } from './query.ts'

/**
 * The exclusive right to write under a name, such as that of an event log, the registry, or the closings of a partner. Its
 * fencing token is (epoch, owner). A lease is valid as long as no lease of the same name with a greater token exists.
 */
export interface Lease {
  readonly name: string
  readonly epoch: number
  readonly owner: string
  /**
   * How often the name had been acquired, by anyone, when this lease was. If it is one more than in this process's last lease of
   * the name, no other owner has written in between.
   */
  readonly acquisitions: number
}

export type AcquireOutcome = { status: 'acquired'; lease: Lease } | { status: 'outranked'; epoch: number; owner: string }

/**
 * Acquires a lease. The order is the guarantee:
 * 1. Write the fencing token, with an owner's name that is new for every acquisition. It is one row of one part.
 * 2. Read back that it is the greatest. Otherwise a newer owner has the lease, and this process stops.
 * 3. Kill the inserts that still run under the name, and wait until they are gone. An insert that was sent but has not started
 *    is rejected by the fence when it does. Only now is it safe to read what is stored: no other owner's write can land later.
 * 4. Read back once more, with the number of acquisitions. All that are counted now are below this token, so a later lease that
 *    counts exactly one more knows that nobody acquired the name in between.
 * A crash after 1 leaves a token under which nothing was written. It is harmless, because the next token is greater.
 */
export async function acquireLease(
  clickhouse: ClickHouse,
  name: string,
  { owner = newOwnerName(), retire = false }: AcquireOptions = {},
): Promise<AcquireOutcome> {
  requireLeaseName(name)
  const { control } = clickhouse
  const before = await readNewestLease(control, name)
  if (!retire && before !== undefined && isRetiredEpoch(before.epoch)) return { status: 'outranked', ...before }
  const epoch = Math.max((before?.epoch ?? 0) + 1, retire ? RETIRED_EPOCH : FIRST_EPOCH)
  await control.insert({ table: 'leases_v1', columns: ['name', 'epoch', 'owner'], text: `${name}\t${epoch}\t${owner}\n` })
  const written = await requireNewestLease(control, name)
  if (written.owner !== owner) return { status: 'outranked', ...written }
  await killRunningInserts(control, name)
  const newest = await requireNewestLease(control, name)
  if (newest.owner !== owner) return { status: 'outranked', ...newest }
  return { status: 'acquired', lease: { name, epoch, owner, acquisitions: newest.acquisitions } }
}

export interface AcquireOptions {
  /** Must be new for every acquisition. A caller that must recognise its own tokens, also those of failed attempts, passes it. */
  readonly owner?: string
  /** Retires the name: afterwards it can only be acquired to retire it again. */
  readonly retire?: boolean
}

export function newOwnerName(): string {
  return randomBytes(8).toString('hex')
}

/** The owner with the greatest token, undefined before the first lease. Only a hint: the fence decides when a write arrives. */
export async function currentLeaseOwner(clickhouse: ClickHouse, name: string): Promise<string | undefined> {
  return (await readNewestLease(clickhouse.control, name))?.owner
}

/** Whether no other owner has acquired the lease since. Only a hint, like the current owner. Throws StoreError. */
export async function isLeaseHeld(clickhouse: ClickHouse, { name, owner }: Pick<Lease, 'name' | 'owner'>): Promise<boolean> {
  return (await currentLeaseOwner(clickhouse, name)) === owner
}

/** Whether an insert of any owner is running under the name at this moment. Only a hint, like the current holder. */
export async function isAnyInsertRunning({ control }: ClickHouse, name: string): Promise<boolean> {
  return (await control.query(runningInserts, { tag: leaseTag(name) })).length > 0
}

/** Whether a name with this epoch is retired. Ordinary acquisitions never get that far. */
export function isRetiredEpoch(epoch: number): boolean {
  return epoch >= RETIRED_EPOCH
}

const RETIRED_EPOCH = 2 ** 40

/** Above every epoch of log_owners_v1, so that a lease outranks the stored positions and watermarks of all owners of before. */
const FIRST_EPOCH = 2 ** 32

/**
 * The mark that every insert under a lease carries, so that a later owner can find and kill it. Only inserts carry it: on the
 * embedded engine a failed query stays in system.processes until the next statement of its session, and an acquisition would
 * wait for it. The text must not change, because processes of two versions may run at the same time.
 */
export function leaseTag(name: string): string {
  return `meterline log=${name}`
}

const KILL_WAIT_MS_MAX = 75_000
const KILL_POLL_MS = 5
const LEASE_NAME = /^[A-Za-z0-9_./-]{1,400}$/

/** Names are written into SQL text, TabSeparated rows and comments; these characters are safe in all of them. */
function requireLeaseName(name: string): void {
  if (!LEASE_NAME.test(name)) throw new Error(`"${name}" is not a valid name of a lease.`)
}

/** Kills with ASYNC and then polls, because on the embedded engine KILL … SYNC does not return. */
async function killRunningInserts(control: Lane, name: string): Promise<void> {
  const deadlineMs = performance.now() + KILL_WAIT_MS_MAX
  for (;;) {
    const running = await control.query(runningInserts, { tag: leaseTag(name) })
    if (running.length === 0) return
    if (performance.now() > deadlineMs)
      throw new StoreError('unavailable', `Inserts of lease ${name} are still running ${KILL_WAIT_MS_MAX} ms after they were killed.`)
    for (const { query_id } of running) await control.command(`KILL QUERY WHERE query_id = '${query_id}' ASYNC`)
    await new Promise((resolve) => setTimeout(resolve, KILL_POLL_MS))
  }
}

interface NewestLease {
  readonly epoch: number
  readonly owner: string
  readonly acquisitions: number
}

async function requireNewestLease(control: Lane, name: string): Promise<NewestLease> {
  const newest = await readNewestLease(control, name)
  if (newest === undefined) throw new StoreError('fault', `The fencing token of lease ${name} was acknowledged but is not stored.`)
  return newest
}

async function readNewestLease(control: Lane, name: string): Promise<NewestLease | undefined> {
  const [newest] = await control.query(newestLease, { name })
  return newest
}

const newestLease = defineQuery({
  name: 'newest_lease',
  sql: `SELECT newest.1 AS epoch, newest.2 AS owner, acquired AS acquisitions
        FROM (SELECT max(newest) AS newest, sum(acquisitions) AS acquired FROM leases_v1 WHERE name = {name: String} GROUP BY name)`,
  params: z.object({ name: z.string() }),
  row: z.object({ epoch: z.coerce.number().int(), owner: z.string(), acquisitions: z.coerce.number().int() }),
})

/** In this database only, because another Meterline on the same server has leases with the same names. */
const runningInserts = defineQuery({
  name: 'running_inserts_of_lease',
  sql: `SELECT query_id FROM system.processes WHERE current_database = currentDatabase() AND Settings['log_comment'] = {tag: String}`,
  params: z.object({ tag: z.string() }),
  row: z.object({ query_id: z.string().regex(/^[\w-]+$/) }),
})
