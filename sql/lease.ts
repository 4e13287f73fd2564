import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse, Lane } from './clickhouse.ts'
import { StoreError } from './errors.ts'
import { defineQuery } from './query.ts'

/** The right to write for a log. It is valid for as long as no take with a greater (epoch, owner) exists. */
export interface Lease {
  readonly log: string
  readonly epoch: number
  readonly owner: string
  /** The greatest take below this one, judged after the kill; undefined when this is the log's first. */
  readonly previous: { epoch: number; owner: string } | undefined
}

export type AcquireOutcome = { status: 'taken'; ownership: Lease } | { status: 'outranked'; epoch: number; owner: string }

/**
 * Takes a log. The order is the guarantee:
 * 1. Write the take row, with an owner's name that is new for every take.
 * 2. Read back that it is the greatest; else somebody newer owns the log and this one stops.
 * 3. Kill what still runs for the log and wait until it is gone. What was sent but has not started yet is refused by the
 *    fence when it does. Only now is it safe to look at what is stored: nobody else's writes can land any more.
 * A crash after 1 leaves a take without a batch: harmless, the next take is greater.
 */
export async function acquireLease(
  clickhouse: ClickHouse,
  log: string,
  { owner = newOwnerName(), forGood = false }: AcquireOptions = {},
): Promise<AcquireOutcome> {
  requireLogName(log)
  const before = await newestTake(clickhouse.control, log)
  if (!forGood && before !== undefined && before.epoch >= RETIRED_EPOCH) return { status: 'outranked', ...before }
  const mine = { epoch: Math.max((before?.epoch ?? 0) + 1, forGood ? RETIRED_EPOCH : 0), owner }
  await clickhouse.control.insert({ table: 'log_owners_v1', columns: ['log', 'epoch', 'owner'], text: `${log}\t${mine.epoch}\t${mine.owner}\n` })
  const newest = await newestTake(clickhouse.control, log)
  if (newest?.epoch !== mine.epoch || newest.owner !== mine.owner) {
    if (newest === undefined) throw new StoreError('fault', `The take of log ${log} was acknowledged but is not stored.`)
    return { status: 'outranked', ...newest }
  }
  await killStatementsOf(clickhouse.control, log)
  const [previous] = await clickhouse.control.query(takesBelow, { log, ...mine })
  return { status: 'taken', ownership: { log, ...mine, previous } }
}

export interface AcquireOptions {
  /** New for every take. A caller that must know its own takes again, also those that failed half-way, gives the name. */
  readonly owner?: string
  /** The log is retired: nobody takes it any more but to retire it again. */
  readonly forGood?: boolean
}

export function newOwnerName(): string {
  return randomBytes(8).toString('hex')
}

/** The name of the newest owner, undefined before the first take. Only a hint: the fence decides, when a write arrives. */
export async function currentLeaseHolder(clickhouse: ClickHouse, log: string): Promise<string | undefined> {
  return (await newestTake(clickhouse.control, log))?.owner
}

/** Whether an insert of the log is running at this moment, whoever sent it. Only a hint, like the newest owner. */
export async function isAnyRunning({ control }: ClickHouse, log: string): Promise<boolean> {
  return (await control.query(statementsOf, { tag: leaseTag(log) })).length > 0
}

/** From here on a log is retired. No log is taken so often by its owners. */
const RETIRED_EPOCH = 2 ** 40

/**
 * The mark that every insert of a log carries, so that a later owner can find it. Inserts only: on the embedded engine a
 * query that failed stays in system.processes until the next statement of its session, and a take would wait for it.
 */
export function leaseTag(log: string): string {
  return `meterline log=${log}`
}

const KILL_WAIT_MS_MAX = 75_000
const KILL_POLL_MS = 5
const LOG_NAME = /^[A-Za-z0-9_./-]{1,400}$/

/** Names stand in SQL text, TabSeparated rows and comments; these characters are safe in all of them. */
function requireLogName(log: string): void {
  if (!LOG_NAME.test(log)) throw new Error(`"${log}" cannot be the name of a log.`)
}

/** ASYNC and then looking, never SYNC: on the embedded engine KILL … SYNC does not return. */
async function killStatementsOf(control: Lane, log: string): Promise<void> {
  const deadlineMs = Date.now() + KILL_WAIT_MS_MAX
  for (;;) {
    const running = await control.query(statementsOf, { tag: leaseTag(log) })
    if (running.length === 0) return
    if (Date.now() > deadlineMs)
      throw new StoreError('unavailable', `Statements of log ${log} are still running ${KILL_WAIT_MS_MAX} ms after they were killed.`)
    for (const { query_id } of running) await control.command(`KILL QUERY WHERE query_id = '${query_id}' ASYNC`)
    await new Promise((resolve) => setTimeout(resolve, KILL_POLL_MS))
  }
}

async function newestTake(lane: Lane, log: string): Promise<{ epoch: number; owner: string } | undefined> {
  const [newest] = await lane.query(newestTakeOf, { log })
  return newest
}

const TakeRow = z.object({ epoch: z.coerce.number().int(), owner: z.string() })

const newestTakeOf = defineQuery({
  name: 'newest_take',
  sql: 'SELECT epoch, owner FROM log_owners_v1 WHERE log = {log: String} ORDER BY epoch DESC, owner DESC LIMIT 1',
  params: z.object({ log: z.string() }),
  row: TakeRow,
})

const takesBelow = defineQuery({
  name: 'takes_below',
  sql: `SELECT epoch, owner FROM log_owners_v1
        WHERE log = {log: String} AND (epoch, owner) < ({epoch: UInt64}, {owner: String})
        ORDER BY epoch DESC, owner DESC LIMIT 1`,
  params: z.object({ log: z.string(), epoch: z.number(), owner: z.string() }),
  row: TakeRow,
})

/** Of this database only: another Meterline on the same server has logs of the same names. */
const statementsOf = defineQuery({
  name: 'statements_of_log',
  sql: `SELECT query_id FROM system.processes WHERE current_database = currentDatabase() AND Settings['log_comment'] = {tag: String}`,
  params: z.object({ tag: z.string() }),
  row: z.object({ query_id: z.string().regex(/^[\w-]+$/) }),
})
