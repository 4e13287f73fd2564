import { z } from 'zod'
import { SHARDS_TAG } from '../../sql/change-shard-map.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { PROJECT_HASH_SQL } from '../../sql/shards.ts'

/** A table whose rows belong to projects, and so move with their slot. */
export interface MovedTable {
  readonly name: string
  /** The hash of a row's project. */
  readonly project: string
  /** The month of a row, by which the table is partitioned; undefined if it has one partition. */
  readonly month: string | undefined
  /** How a row is read once: merges may not have dropped what it replaces. */
  readonly final: string
  /** Every column, in a form that can be hashed. */
  readonly columns: string
}

const OF_MONTHS = { project: PROJECT_HASH_SQL, month: 'toYYYYMM(usage_date)', final: ' FINAL', columns: '*' } as const

/** What the owner of a log writes besides is of the log itself, and stays where it is: its successor has a name of its own. */
export const MOVED_TABLES: readonly MovedTable[] = [
  { ...OF_MONTHS, name: 'raw_usage_events_v1' },
  { ...OF_MONTHS, name: 'usage_corrections_v1' },
  { ...OF_MONTHS, name: 'project_usage_per_day_v1' },
  { ...OF_MONTHS, name: 'usage_states_per_day_v1', columns: '* EXCEPT distinct_texts, finalizeAggregation(distinct_texts)' },
  { name: 'identity_hashes_v1', project: 'project', month: undefined, final: '', columns: '*' },
]

/** A slot of so many. */
export interface Slot {
  readonly slot: number
  readonly slots: number
}

/** The table of a shard beside another one, into which rows are copied before they count there. */
export function stagedOf({ name }: Pick<MovedTable, 'name'>): string {
  return `moved_${name}`
}

/** The name of the table on all shards, for the copy: not all of these tables have one otherwise. */
export function originalOf({ name }: Pick<MovedTable, 'name'>): string {
  return `moved_from_${name}`
}

/** The rows of a slot: their number, and a sum of their hashes, which does not depend on their order. */
export interface Digest {
  readonly rows: number
  readonly hash: string
}

export const NO_ROWS: Digest = { rows: 0, hash: '0' }

/** The digest of a slot's rows in a partition of a table, or of the table beside it (stagedOf). Throws StoreError. */
export async function digestOf(lane: Lane, table: MovedTable, partition: string, of: Slot, name = table.name): Promise<Digest> {
  const query = defineQuery({
    name: 'digest_of_slot',
    sql: `SELECT count() AS rows, toString(sum(cityHash64(${table.columns}))) AS hash FROM ${name}${table.final} WHERE ${conditionOf(table, partition, of)}`,
    params: z.object({}),
    row: z.object({ rows: z.coerce.number(), hash: z.string() }),
    settings: { max_execution_time: SECONDS_MAX },
  })
  return queryOne(lane, query, {})
}

export function isSame(one: Digest, other: Digest): boolean {
  return one.rows === other.rows && one.hash === other.hash
}

/** The partitions of a table that have rows, by their ids: months as YYYYMM, or `all`. Throws StoreError. */
export async function partitionsOf(lane: Lane, name: string): Promise<string[]> {
  const query = defineQuery({
    name: 'partitions_of_table',
    sql: `SELECT DISTINCT _partition_id AS id FROM ${name} ORDER BY id`,
    params: z.object({}),
    row: z.object({ id: z.string().regex(/^(all|\d{6})$/) }),
    settings: { max_execution_time: SECONDS_MAX },
  })
  return (await lane.query(query, {})).map(({ id }) => id)
}

/** Whether a table exists in a server's own database. Throws StoreError. */
export async function hasTable(lane: Lane, name: string): Promise<boolean> {
  return (await lane.query(tableOfName, { name })).length > 0
}

const tableOfName = defineQuery({
  name: 'table_of_name',
  sql: 'SELECT name FROM system.tables WHERE database = currentDatabase() AND name = {name: String}',
  params: z.object({ name: z.string() }),
  row: z.object({ name: z.string() }),
})

/** Copies a slot's rows of a partition from one shard to another, beside the table there. The lane is the coordinating database's. Throws StoreError. */
export async function copyRows(lane: Lane, table: MovedTable, partition: string, { from, to, ...of }: Slot & { readonly from: number; readonly to: number }) {
  const statement = defineStatement({
    name: 'copy_slot',
    sql: `INSERT INTO ${stagedOf(table)} SELECT * FROM ${originalOf(table)} WHERE _shard_num = ${from} AND ${conditionOf(table, partition, of)}`,
    params: z.object({}),
    // As they are: rows that a merge would unite are not united on the way, so that an interrupted copy can be told from a whole one.
    settings: { insert_shard_id: to, distributed_foreground_insert: 1, optimize_on_insert: 0, max_execution_time: SECONDS_MAX },
  })
  await lane.execute(statement, {}, SHARDS_TAG)
}

/** Deletes a slot's rows of a partition, and waits until they are gone. Throws StoreError. */
export async function deleteRows(lane: Lane, table: MovedTable, partition: string, of: Slot): Promise<void> {
  const rows = `IN PARTITION ID '${partition}' WHERE ${conditionOf(table, partition, of)}`
  await lane.command(`ALTER TABLE ${table.name} DELETE ${rows} SETTINGS mutations_sync = 2`, SECONDS_MAX)
}

/** Of a partition of a month, or of the only one. */
function conditionOf({ project, month }: MovedTable, partition: string, { slot, slots }: Slot): string {
  const ofSlot = `${project} % ${slots} = ${slot}`
  return month === undefined ? ofSlot : `${month} = ${partition} AND ${ofSlot}`
}

/** Of one statement. */
export const SECONDS_MAX = 86_400
