import { z } from 'zod'
import { acquireShardsLease, SHARDS_TAG, type ShardsLease, writeShardMap } from '../../sql/change-shard-map.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { createDistributed, dropDistributed, makeCoordinatingDatabase, removeProjectTables, type ShardCluster } from '../../sql/coordinating-database.ts'
import { StoreError } from '../../sql/errors.ts'
import { MONTHS_IN_REBUILD } from '../../sql/months-in-rebuild.ts'
import { defineQuery } from '../../sql/query.ts'
import { type Move, readMove, readMoveOfShard, readShardMap, requireSameMap, type ShardMap } from '../../sql/shard-map.ts'
import { firstShardOf, shardsOf } from '../../sql/shards.ts'
import { insertIncarnation, readIncarnations } from '../kafka/incarnation.ts'
import { retireAllLogs } from '../kafka/reset-logs.ts'
import { whyNotStopped } from '../log/watermark.ts'
import { readSource } from '../source/source-in-force.ts'
import {
  copyRows,
  type Digest,
  deleteRows,
  digestOf,
  hasTable,
  isSame,
  MOVED_TABLES,
  type MovedTable,
  NO_ROWS,
  originalOf,
  partitionsOf,
  SECONDS_MAX,
  stagedOf,
} from './moved-tables.ts'

export interface SlotToMove {
  /** Of the topic in force. Its slot has this number. */
  readonly partition: number
  /** The shard's place in the list; the first is 1. */
  readonly to: number
}

export interface MoveOptions {
  /** Where the shards are read together. */
  readonly of: ShardCluster
  /** Is called before the first change. */
  readonly note: () => Promise<void>
  /** Is called after each step, with what was done. */
  readonly progress: (step: string) => void
}

export type MoveOutcome = { readonly status: 'moved' | 'undone' | 'there already' } | { readonly status: 'rejected'; readonly reason: string }

/**
 * Moves a partition's projects to another shard, while no process counts: their events, corrections, rollup, states and identities. What a log
 * has of its own (lease, positions, watermark, rejected events) stays, because the logs are retired and go on under new names. The order is
 * the guarantee:
 * 1. Acquire the lease of changes of shards: statements of an earlier command, that was killed, have ended then. Store that the move has begun:
 *    from here on no process starts, and none acquires the lease of a log.
 * 2. Retire all logs. No owner of before can write any more, also one that was only asleep, and the rollup has what raw has.
 * 3. Copy the rows into tables beside those of the other shard, and compare the copies with what they are copies of.
 * 4. Store that the move is switching, on both shards too: from here on it can only be ended. Take away the tables in which the shards are read
 *    together, because rows are on both shards for a while: a process that still runs gets an error, and not a sum that is too large.
 * 5. For each month of each table: attach the copy on the other shard, compare it with the original, delete the original. Then drop the copies.
 * 6. Begin new incarnations of the logs, and store the new map. This is the commit.
 * Each step can be repeated after a crash: copies that differ are made again, and what is attached is compared before anything is deleted. A
 * command that is overtaken by another one stops before its next step. Throws StoreError.
 */
export async function moveSlot(clickhouse: ClickHouse, wanted: SlotToMove, options: MoveOptions): Promise<MoveOutcome> {
  const { control } = firstShardOf(clickhouse)
  if (clickhouse.shards === undefined) return rejected('CLICKHOUSE_URLS lists no shards, so there is nothing to move.')
  const running = await whyNotStopped(clickhouse)
  if (running !== undefined) return rejected(running)
  const lease = await acquireShardsLease(clickhouse)
  const [begun, inForce] = [await readMove(control), await readShardMap(control)]
  if (inForce === undefined) throw new Error('The first server was not pinned.')
  requireSameMap(clickhouse, inForce)
  if (begun !== undefined) {
    if (begun.slot !== wanted.partition || (begun.to !== wanted.to && begun.from !== wanted.to)) return rejected(otherMove(begun))
    const moving = new Moving(clickhouse, begun, lease, options)
    if (begun.to === wanted.to) return moving.end()
    await options.note()
    return moving.undo(inForce)
  }
  const planned = await plan(clickhouse, wanted, inForce)
  if (typeof planned === 'string') return rejected(planned)
  if (planned.from === planned.to) return { status: 'there already' }
  await options.note()
  await lease.requireHeld()
  await writeShardMap(control, planned, 'copying', planned)
  return new Moving(clickhouse, planned, lease, options).end()
}

function rejected(reason: string): MoveOutcome {
  return { status: 'rejected', reason }
}

function otherMove({ slot, from, to, step }: Move): string {
  const undo = step === 'copying' ? ` Or undo it: meterline shard move ${slot} --to ${from}.` : ''
  return `Another move has begun and not ended. End it first: meterline shard move ${slot} --to ${to}.${undo}`
}

/** The move, or why it cannot be. Each partition is a slot of its own afterwards. */
async function plan(clickhouse: ClickHouse, { partition, to }: SlotToMove, { number, shards, slots: before }: ShardMap): Promise<Move | string> {
  if (to > shards) return `There is no shard ${to}: CLICKHOUSE_URLS lists ${shards}. The first is 1.`
  const [rebuild] = await clickhouse.control.query(monthInRebuild, {})
  if (rebuild !== undefined)
    return `The rebuild of ${rebuild.month} has begun and not ended. End it first: meterline rebuild --month ${rebuild.month} --offline.`
  const source = await readSource(clickhouse.control)
  const incarnations = await readIncarnations(clickhouse.control)
  const inForce = incarnations.find(({ topic }) => topic === source?.source)
  if (inForce === undefined) return 'No topic was read yet, so there is no partition to move.'
  const { topic, partitions } = inForce
  if (partition >= partitions) return `The topic ${topic} has ${partitions} partitions. The first is 0.`
  const other = incarnations.find((each) => each.partitions % partitions !== 0)
  if (other !== undefined)
    return `The topic ${other.topic} was read too, and has ${other.partitions} partitions. Its number must be a multiple of ${partitions}, because a project is on the shard of its partition.`
  const slots = Array.from({ length: partitions }, (_, slot) => before[slot % before.length] ?? 0)
  const from = slots[partition] ?? 0
  return { number: number + 1, shards, slots: slots.with(partition, to), step: 'copying', slot: partition, from, to }
}

class Moving {
  readonly #clickhouse: ClickHouse
  readonly #move: Move
  readonly #lease: ShardsLease
  readonly #of: MoveOptions['of']
  readonly #progress: MoveOptions['progress']
  readonly #first: ClickHouse
  readonly #from: ClickHouse
  readonly #to: ClickHouse

  constructor(clickhouse: ClickHouse, move: Move, lease: ShardsLease, { of, progress }: MoveOptions) {
    const shards = shardsOf(clickhouse)
    const [from, to] = [shards[move.from - 1], shards[move.to - 1]]
    if (from === undefined || to === undefined) throw new Error(`The list has no shard ${move.from} or ${move.to}.`)
    this.#clickhouse = clickhouse
    this.#move = move
    this.#lease = lease
    this.#of = of
    this.#progress = progress
    this.#first = firstShardOf(clickhouse)
    this.#from = from
    this.#to = to
  }

  /** Goes on from the last step. */
  async end(): Promise<MoveOutcome> {
    if (this.#move.step === 'copying') await this.#copy()
    await this.#switch()
    await this.#commit(this.#move)
    return { status: 'moved' }
  }

  /** Nothing but the leases of the logs has changed while the rows are copied. */
  async undo({ shards, slots }: ShardMap): Promise<MoveOutcome> {
    if (this.#move.step === 'switching')
      return rejected(`The move can only be ended, because rows are switched already: meterline shard move ${this.#move.slot} --to ${this.#move.to}.`)
    for (const table of MOVED_TABLES) await this.#dropCopy(table)
    await this.#commit({ number: this.#move.number, shards, slots })
    return { status: 'undone' }
  }

  /** Steps 2 to 4. */
  async #copy(): Promise<void> {
    await retireAllLogs(this.#clickhouse)
    this.#progress('the logs are ended')
    for (const table of MOVED_TABLES) {
      const staged = stagedOf(table)
      await this.#to.control.command(`CREATE TABLE IF NOT EXISTS ${staged} AS ${table.name}`)
      // Dropping the copies deletes what they were merged from, so what was merged must be on the disk.
      await this.#to.control.command(`ALTER TABLE ${staged} MODIFY SETTING min_rows_to_fsync_after_merge = 1`)
      await this.#first.control.command(createDistributed(this.#of, { name: originalOf(table), table: table.name }))
      await this.#first.control.command(createDistributed(this.#of, { name: staged, table: staged, like: table.name }))
      for (const partition of await partitionsOf(this.#from.work, table.name)) {
        if ((await this.#digest(this.#to, table, partition)).rows > 0)
          throw new StoreError('fault', `Shard ${this.#move.to} has rows of these projects in ${table.name} already. ${REPORT_IT}`)
        await this.#copyMonth(table, partition, await this.#digest(this.#from, table, partition))
      }
    }
    await this.#lease.requireHeld()
    // A shard that is restored from a backup of before is found by it.
    for (const server of [this.#from, this.#to]) if (server !== this.#first) await writeShardMap(server.control, this.#move, 'switching', this.#move)
    await writeShardMap(this.#first.control, this.#move, 'switching', this.#move)
    this.#progress('all copies are equal to their originals')
  }

  /** Copies the rows of a month, unless there is a whole copy. */
  async #copyMonth(table: MovedTable, partition: string, original: Digest): Promise<void> {
    const staged = stagedOf(table)
    if (isSame(original, await this.#digest(this.#to, table, partition, staged))) return
    await this.#lease.requireHeld()
    await this.#to.control.command(`ALTER TABLE ${staged} DROP PARTITION ID '${partition}'`)
    await copyRows(this.#clickhouse.work, table, partition, { ...this.#slot, from: this.#move.from, to: this.#move.to })
    const copy = await this.#digest(this.#to, table, partition, staged)
    if (!isSame(original, copy)) throw new StoreError('fault', `The copy of ${table.name}, ${partition}, differs from its original. ${REPORT_IT}`)
    this.#progress(`copied ${table.name}, ${partition}: ${original.rows} rows`)
  }

  /** Step 5. A table without copies is switched already. */
  async #switch(): Promise<void> {
    for (const [server, shard] of [
      [this.#from, this.#move.from],
      [this.#to, this.#move.to],
    ] as const) {
      if ((await readMoveOfShard(server.control, shard)) !== this.#move.number)
        throw new StoreError('fault', `Shard ${shard} was restored from a backup of before the move. Restore backups of all shards from before it.`)
    }
    await removeProjectTables(this.#first.control, this.#of)
    for (const table of MOVED_TABLES) {
      const hasCopies = await hasTable(this.#to.control, stagedOf(table))
      for (const partition of await partitionsOf(this.#from.work, table.name)) {
        const original = await this.#digest(this.#from, table, partition)
        if (original.rows === 0) continue
        if (!hasCopies)
          throw new StoreError('fault', `Shard ${this.#move.to} has lost the copies of ${table.name}. Restore backups of all shards from before the move.`)
        await this.#switchMonth(table, partition, original)
      }
      if (!hasCopies) continue
      await this.#dropCopy(table)
      this.#progress(`switched ${table.name}`)
    }
  }

  /** A crash may have left a part of the rows attached: they are deleted, and attached again. */
  async #switchMonth(table: MovedTable, partition: string, original: Digest): Promise<void> {
    await this.#copyMonth(table, partition, original)
    const attached = await this.#digest(this.#to, table, partition)
    await this.#lease.requireHeld()
    if (!isSame(original, attached)) {
      if (!isSame(NO_ROWS, attached)) await deleteRows(this.#to.work, table, partition, this.#slot)
      const attach = `ALTER TABLE ${table.name} ATTACH PARTITION ID '${partition}' FROM ${stagedOf(table)} SETTINGS log_comment = '${SHARDS_TAG}'`
      await this.#to.work.command(attach, SECONDS_MAX)
      if (!isSame(original, await this.#digest(this.#to, table, partition)))
        throw new StoreError('fault', `Shard ${this.#move.to} does not have what was copied of ${table.name}, ${partition}. ${REPORT_IT}`)
    }
    await this.#lease.requireHeld()
    await deleteRows(this.#from.work, table, partition, this.#slot)
  }

  /** Step 6. */
  async #commit(map: ShardMap): Promise<void> {
    for (const next of await retireAllLogs(this.#clickhouse)) {
      const reason = `partition ${this.#move.slot} from shard ${this.#move.from} to ${this.#move.to}`
      await insertIncarnation(this.#clickhouse.control, { ...next, reason })
    }
    this.#progress('the logs go on under new names')
    await this.#lease.requireHeld()
    await writeShardMap(this.#first.control, map, 'in force', this.#move)
    await makeCoordinatingDatabase(this.#first.control, { ...this.#of, slots: map.slots })
  }

  async #dropCopy(table: MovedTable): Promise<void> {
    for (const name of [originalOf(table), stagedOf(table)]) await this.#first.control.command(dropDistributed(this.#of, name))
    await this.#to.work.command(`DROP TABLE IF EXISTS ${stagedOf(table)} SYNC`, SECONDS_MAX)
  }

  get #slot() {
    return { slot: this.#move.slot, slots: this.#move.slots.length }
  }

  #digest({ work }: ClickHouse, table: MovedTable, partition: string, name?: string): Promise<Digest> {
    return digestOf(work, table, partition, this.#slot, name)
  }
}

const REPORT_IT = 'The originals were not deleted. Run this again; if it fails again, please report it.'

/** Its rows would be those of before. */
const monthInRebuild = defineQuery({
  name: 'month_in_rebuild',
  sql: `${MONTHS_IN_REBUILD} LIMIT 1`,
  params: z.object({}),
  row: z.object({ month: z.string() }),
})
