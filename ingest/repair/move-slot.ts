import { writeMoveOfServer, writeShardMap } from '../../sql/change-shard-map.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import {
  type CoordinatingDatabase,
  createDistributed,
  dropDistributed,
  makeCoordinatingDatabase,
  removeProjectTables,
} from '../../sql/coordinating-database.ts'
import { StoreError } from '../../sql/errors.ts'
import { type Move, readMove, readShardMap, type ShardMap } from '../../sql/shard-map.ts'
import { firstShardOf, shardsOf, slotsOf } from '../../sql/shards.ts'
import { insertIncarnation, readIncarnations } from '../kafka/incarnation.ts'
import { retireAllLogs } from '../kafka/reset-logs.ts'
import { findLiveReader, OWNER_TIMEOUT_MS } from '../log/watermark.ts'
import { readSource } from '../source/source-in-force.ts'
import { copyRows, deleteRows, digestOf, hasTable, isSame, MOVED_TABLES, type MovedTable, NO_ROWS, originalOf, partitionsOf, stagedOf } from './moved-tables.ts'

export interface SlotToMove {
  /** Of the topic in force. Its slot has this number. */
  readonly partition: number
  /** The shard's place in the list; the first is 1. */
  readonly to: number
}

export interface MoveOptions {
  /** Where the shards are read together. */
  readonly of: Omit<CoordinatingDatabase, 'slots'>
  /** Is called before the first change. */
  readonly note: () => Promise<void>
  /** Is called after each step. */
  readonly progress: (step: string) => void
}

export type MoveOutcome = { readonly status: 'moved' | 'undone' | 'there already' } | { readonly status: 'rejected'; readonly reason: string }

/**
 * Moves a partition's projects to another shard, while no process counts: their events, corrections, rollup, states and identities. What a log
 * has of its own (lease, positions, watermark, rejected events) stays, because the logs are retired and go on under new names. The order is
 * the guarantee:
 * 1. Store that the move has begun: from here on no process starts.
 * 2. Retire all logs. No owner of before can write any more, also one that was only asleep, and the rollup has what raw has.
 * 3. Copy the rows into tables beside those of the other shard, and compare the copies with what they are copies of.
 * 4. Store that the move is switching: from here on it can only be ended. Take away the tables in which the shards are read together, because
 *    rows are on both shards for a while: a process that still runs gets an error, and not a sum that is too large.
 * 5. For each table: attach the copies on the other shard and compare once more, delete the rows on the first, drop the copies.
 * 6. Store the move on both shards, begin new incarnations of the logs, and store the new map. This is the commit.
 * Each step can be repeated after a crash: copies that differ are made again, and what is attached is compared before anything is deleted. Throws
 * StoreError.
 */
export async function moveSlot(clickhouse: ClickHouse, wanted: SlotToMove, options: MoveOptions): Promise<MoveOutcome> {
  const { control } = firstShardOf(clickhouse)
  const [begun, inForce] = [await readMove(control), await readShardMap(control)]
  if (clickhouse.shards === undefined || inForce === undefined) return rejected('CLICKHOUSE_URLS lists no shards, so there is nothing to move.')
  if (begun !== undefined && (begun.slot !== wanted.partition || (begun.to !== wanted.to && begun.from !== wanted.to)))
    return rejected(
      `Another move has begun and not ended. End it first: meterline shard move ${begun.slot} --to ${begun.to}. Or undo it, if nothing is switched yet: meterline shard move ${begun.slot} --to ${begun.from}.`,
    )
  const host = await findLiveReader(clickhouse, OWNER_TIMEOUT_MS)
  if (host !== undefined)
    return rejected(`${host} counts events. Stop every process of this installation, wait ${OWNER_TIMEOUT_MS / 1000} seconds, then run this again.`)
  if (begun !== undefined) return begun.to === wanted.to ? end(clickhouse, begun, options) : undo(clickhouse, begun, inForce, options)
  const planned = await plan(clickhouse, wanted, inForce)
  if (typeof planned === 'string') return rejected(planned)
  if (planned.from === planned.to) return { status: 'there already' }
  await options.note()
  await writeShardMap(control, planned, 'copying', planned)
  return end(clickhouse, planned, options)
}

function rejected(reason: string): MoveOutcome {
  return { status: 'rejected', reason }
}

/** The move, or why it cannot be. Each partition is a slot of its own afterwards. */
async function plan(clickhouse: ClickHouse, { partition, to }: SlotToMove, { number, shards }: ShardMap): Promise<Move | string> {
  if (to > shards) return `There is no shard ${to}: CLICKHOUSE_URLS lists ${shards}. The first is 1.`
  const source = await readSource(clickhouse.control)
  const incarnations = await readIncarnations(clickhouse.control)
  const inForce = incarnations.find(({ topic }) => topic === source?.source)
  if (inForce === undefined) return 'No topic was read yet, so there is no partition to move.'
  const { topic, partitions } = inForce
  if (partition >= partitions) return `The topic ${topic} has ${partitions} partitions. The first is 0.`
  const other = incarnations.find((each) => each.partitions % partitions !== 0)
  if (other !== undefined)
    return `The topic ${other.topic} was read too, and has ${other.partitions} partitions. Its number must be a multiple of ${partitions}, because a project is on the shard of its partition.`
  const before = slotsOf(clickhouse)
  const slots = Array.from({ length: partitions }, (_, slot) => before[slot % before.length] ?? 0)
  const from = slots[partition] ?? 0
  return { number: number + 1, shards, slots: slots.with(partition, to), step: 'copying', slot: partition, from, to }
}

/** Goes on with a move from its last step. Throws StoreError. */
async function end(clickhouse: ClickHouse, move: Move, { of, progress }: MoveOptions): Promise<MoveOutcome> {
  const moving = new Moving(clickhouse, move, of, progress)
  if (move.step === 'copying') await moving.copy()
  await moving.switch()
  await moving.commit(move)
  return { status: 'moved' }
}

/** Nothing but the leases of the logs has changed while the rows are copied. Throws StoreError. */
async function undo(clickhouse: ClickHouse, move: Move, { shards, slots }: ShardMap, { of, progress }: MoveOptions): Promise<MoveOutcome> {
  if (move.step === 'switching')
    return rejected(`The move can only be ended, because rows are switched already: meterline shard move ${move.slot} --to ${move.to}.`)
  const moving = new Moving(clickhouse, move, of, progress)
  await moving.dropCopies()
  await moving.commit({ number: move.number, shards, slots })
  return { status: 'undone' }
}

class Moving {
  readonly #clickhouse: ClickHouse
  readonly #move: Move
  readonly #of: MoveOptions['of']
  readonly #progress: MoveOptions['progress']
  readonly #first: ClickHouse
  readonly #from: ClickHouse
  readonly #to: ClickHouse

  constructor(clickhouse: ClickHouse, move: Move, of: MoveOptions['of'], progress: MoveOptions['progress']) {
    const shards = shardsOf(clickhouse)
    const [from, to] = [shards[move.from - 1], shards[move.to - 1]]
    if (from === undefined || to === undefined) throw new Error(`The list has no shard ${move.from} or ${move.to}.`)
    this.#clickhouse = clickhouse
    this.#move = move
    this.#of = of
    this.#progress = progress
    this.#first = firstShardOf(clickhouse)
    this.#from = from
    this.#to = to
  }

  /** Steps 2 to 4. */
  async copy(): Promise<void> {
    await retireAllLogs(this.#clickhouse)
    this.#progress('the logs are ended')
    for (const table of MOVED_TABLES) await this.#copyTable(table)
    await writeShardMap(this.#first.control, this.#move, 'switching', this.#move)
    this.#progress('all copies are equal to their originals')
  }

  async #copyTable(table: MovedTable): Promise<void> {
    const staged = stagedOf(table)
    await this.#to.control.command(`CREATE TABLE IF NOT EXISTS ${staged} AS ${table.name}`)
    await this.#first.control.command(createDistributed(this.#of, { name: originalOf(table), table: table.name }))
    await this.#first.control.command(createDistributed(this.#of, { name: staged, table: staged, like: table.name }))
    for (const partition of await this.#partitions(this.#from, table.name)) {
      const original = await this.#digest(this.#from, table, partition)
      const before = await this.#digest(this.#to, table, partition)
      if (before.rows > 0) throw new StoreError('fault', `Shard ${this.#move.to} has rows of these projects in ${table.name} already. ${REPORT_IT}`)
      if (isSame(original, await this.#digest(this.#to, table, partition, staged))) continue
      await this.#to.control.command(`ALTER TABLE ${staged} DROP PARTITION ID '${partition}'`)
      await copyRows(this.#clickhouse.work, table, partition, { ...this.#slot, from: this.#move.from, to: this.#move.to })
      const copy = await this.#digest(this.#to, table, partition, staged)
      if (!isSame(original, copy)) throw new StoreError('fault', `The copy of ${table.name}, ${partition}, differs from its original. ${REPORT_IT}`)
      this.#progress(`copied ${table.name}, ${partition}: ${original.rows} rows`)
    }
  }

  /** Step 5. A table without copies is switched already. */
  async switch(): Promise<void> {
    await removeProjectTables(this.#first.control, this.#of)
    for (const table of MOVED_TABLES) {
      const staged = stagedOf(table)
      if (!(await hasTable(this.#to.control, staged))) continue
      for (const partition of await this.#partitions(this.#to, staged)) await this.#attach(table, partition)
      for (const partition of await this.#partitions(this.#from, table.name)) {
        if ((await this.#digest(this.#from, table, partition)).rows > 0) await deleteRows(this.#from.work, table, partition, this.#slot)
      }
      await this.#dropCopy(table)
      this.#progress(`switched ${table.name}`)
    }
  }

  /** A crash may have left a part of the rows: they are deleted, and attached again. */
  async #attach(table: MovedTable, partition: string): Promise<void> {
    const copy = await this.#digest(this.#to, table, partition, stagedOf(table))
    const attached = await this.#digest(this.#to, table, partition)
    if (isSame(copy, attached)) return
    if (!isSame(NO_ROWS, attached)) await deleteRows(this.#to.work, table, partition, this.#slot)
    await this.#to.control.command(`ALTER TABLE ${table.name} ATTACH PARTITION ID '${partition}' FROM ${stagedOf(table)}`)
    if (isSame(copy, await this.#digest(this.#to, table, partition))) return
    throw new StoreError('fault', `Shard ${this.#move.to} does not have what was copied of ${table.name}, ${partition}. ${REPORT_IT}`)
  }

  /** Step 6. */
  async commit(map: ShardMap): Promise<void> {
    if (map === this.#move) for (const server of [this.#from, this.#to]) if (server !== this.#first) await writeMoveOfServer(server.control, this.#move)
    for (const next of await retireAllLogs(this.#clickhouse))
      await insertIncarnation(this.#clickhouse.control, {
        ...next,
        reason: `partition ${this.#move.slot} moved from shard ${this.#move.from} to ${this.#move.to}`,
      })
    this.#progress('the logs begin anew')
    await writeShardMap(this.#first.control, map, 'in force', this.#move)
    await makeCoordinatingDatabase(this.#first.control, { ...this.#of, slots: map.slots })
  }

  async dropCopies(): Promise<void> {
    for (const table of MOVED_TABLES) await this.#dropCopy(table)
  }

  async #dropCopy(table: MovedTable): Promise<void> {
    for (const name of [originalOf(table), stagedOf(table)]) await this.#first.control.command(dropDistributed(this.#of, name))
    await this.#to.control.command(`DROP TABLE IF EXISTS ${stagedOf(table)} SYNC`)
  }

  get #slot() {
    return { slot: this.#move.slot, slots: this.#move.slots.length }
  }

  #digest({ work }: ClickHouse, table: MovedTable, partition: string, name?: string) {
    return digestOf(work, table, partition, this.#slot, name)
  }

  #partitions({ work }: ClickHouse, name: string): Promise<string[]> {
    return partitionsOf(work, name)
  }
}

const REPORT_IT = 'Nothing was deleted. Please report this.'
