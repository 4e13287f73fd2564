import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Lane } from './clickhouse.ts'
import { ACCESS_DENIED_CODE, classifyStoreError, StoreError } from './errors.ts'
import { defineQuery } from './query.ts'
import { PROJECT_HASH_SQL } from './shards.ts'

/**
 * With several shards, what is not an event log's own runs in a second database of the first server: the coordinating database. It holds no
 * row. Each of its tables has the name and the columns of one in the database of the tables, so that every query is the same as on one server:
 * - A table of the event logs is `Distributed`: it reads all shards, and with a condition on project_id only the shards of these projects.
 * - Any other table is an `Alias` of the first server's: there are the registry, the statements and everything else that has one place.
 * - What only the owner of a log may use (ON_ONE_SHARD) has no name here. Asked for, it is an error, and never one shard's part of the answer.
 */
export function coordinatingDatabaseOf(database: string): string {
  return `${database}_all`
}

/** The shard of a project, as in sql/shards.ts, counted from 0. */
function shardOfProject(slots: readonly number[]): string {
  return `arrayElement([${slots.map((shard) => shard - 1).join(', ')}], ${PROJECT_HASH_SQL} % ${slots.length} + 1)`
}

/** The tables of which each shard has the rows of its own logs, and what a condition can name of the shard of a row. */
export const ON_EVERY_SHARD: Readonly<Record<string, 'project' | 'shard' | undefined>> = {
  heartbeat_days_v1: undefined,
  log_incidents_v1: undefined,
  log_positions_v1: undefined,
  log_watermarks_v2: undefined,
  passed_on_v1: undefined,
  project_usage_per_day_v1: 'project',
  raw_usage_events_v1: 'project',
  rejected_events_by_key_v1: undefined,
  rejected_events_v1: undefined,
  shards_v1: 'shard',
  usage_corrections_v1: 'project',
  usage_day_changes_v1: undefined,
  usage_states_per_day_v1: 'project',
}

/** The tables that only the owner of a log, or a repair, uses: on the shard of the log. */
export const ON_ONE_SHARD: readonly string[] = [
  'identity_hash_months_v1',
  'identity_hashes_v1',
  'log_incidents_inbox_v1',
  'log_owners_v1',
  'log_positions_inbox_v1',
  'log_watermarks_inbox_v1',
  'log_watermarks_inbox_v2',
  'log_watermarks_v1',
  'passed_on_inbox_v1',
  'rebuilt_usage_per_day_v1',
  'rebuilt_usage_states_per_day_v1',
  'rejected_events_inbox_v1',
  'rollup_differences_inbox_v1',
  'schema_migrations_v1',
  'usage_corrections_inbox_v1',
  'usage_events_inbox_v1',
]

/** On one server, this view is usage_day_changes_v1 FINAL (068_create_shards_v1.sql). A day has the changes of all shards. */
const USAGE_DAYS = `usage_days_v1 AS SELECT usage_date, sum(changes) AS changes, max(kept) AS kept FROM usage_day_changes_v1 GROUP BY usage_date`

/**
 * What the sessions of the coordinating database need, for every statement:
 * - a shard that does not answer is an error, and never a smaller number;
 * - a condition on projects asks the shards of these projects only;
 * - what a condition or a join reads from another table is read here once, and sent to the shards;
 * - what is written to a table of the event logs, such as that a day is materialized, goes to the first shard, before it is acknowledged.
 */
export const COORDINATING_SETTINGS: Readonly<Record<string, number>> = {
  skip_unavailable_shards: 0,
  optimize_skip_unused_shards: 1,
  prefer_global_in_and_join: 1,
  insert_shard_id: 1,
  distributed_foreground_insert: 1,
  parallel_distributed_insert_select: 0,
}

/** Where a store of several servers is read. */
export interface ShardCluster {
  /** The database of the tables, on every shard. */
  readonly database: string
  /** The name of the cluster in `remote_servers` of the first server. */
  readonly cluster: string
}

export interface CoordinatingDatabase extends ShardCluster {
  /** The shard of each slot, counted from 1. */
  readonly slots: readonly number[]
}

/**
 * Makes the tables of the coordinating database, if they are not those of this code and of the tables as they are now. `lane` is one of the
 * first server's own database. It may be killed and repeated: each table is replaced in one step, and the mark is set after the last one.
 * Throws StoreError.
 */
export async function makeCoordinatingDatabase(lane: Lane, of: CoordinatingDatabase): Promise<void> {
  const coordinating = coordinatingDatabaseOf(of.database)
  const tables = await lane.query(tablesOfDatabase, { database: of.database })
  const statements = statementsOf(
    of,
    tables.map(({ name }) => name),
  )
  const columns = tables.map(({ name, definition }) => `${name} ${definition}`)
  const mark = createHash('sha256')
    .update([...statements, ...columns].join('\n'))
    .digest('hex')
  const [made] = await lane.query(markOfDatabase, { database: coordinating })
  if (made?.mark === mark) return
  try {
    await lane.command(`CREATE DATABASE IF NOT EXISTS ${quoted(coordinating)}`)
    for (const statement of statements) await lane.command(statement)
    await lane.command(`ALTER DATABASE ${quoted(coordinating)} MODIFY COMMENT '${mark}'`)
  } catch (thrown) {
    const error = classifyStoreError(thrown)
    if (error.code !== ACCESS_DENIED_CODE) throw error
    const message = `The coordinating database ${coordinating} is not that of this version, and this database user may not make it. Run "meterline migrate" with the user that may (docs/operating/cluster.md), then start this process again.`
    throw new StoreError(error.fault, message, { code: error.code, cause: thrown })
  }
}

/** One statement for each table and view of the coordinating database. */
export function statementsOf(of: CoordinatingDatabase, tables: readonly string[]): string[] {
  const all = quoted(coordinatingDatabaseOf(of.database))
  const keys = { project: shardOfProject(of.slots), shard: 'shard - 1' }
  const others = tables.filter((table) => !Object.hasOwn(ON_EVERY_SHARD, table) && !ON_ONE_SHARD.includes(table))
  return [
    ...Object.entries(ON_EVERY_SHARD).map(([table, key]) => createDistributed(of, { name: table, table, shard: key && keys[key] })),
    ...others.map((table) => `CREATE OR REPLACE TABLE ${all}.${table} ENGINE = Alias('${of.database}', '${table}')`),
    `CREATE OR REPLACE VIEW ${all}.${USAGE_DAYS.replace('FROM ', `FROM ${all}.`)}`,
  ]
}

interface DistributedTable {
  readonly name: string
  /** Its name on the shards. */
  readonly table: string
  /** The table of the first server that has its columns. */
  readonly like?: string
  /** The shard of a row, counted from 0, for conditions on it. */
  readonly shard?: string | undefined
}

/** Makes a table of the coordinating database that reads and writes a table of the shards. */
export function createDistributed({ database, cluster }: ShardCluster, { name, table, like = table, shard }: DistributedTable): string {
  const engine = `Distributed('${cluster}', '${database}', '${table}'${shard === undefined ? '' : `, ${shard}`})`
  return `CREATE OR REPLACE TABLE ${quoted(coordinatingDatabaseOf(database))}.${name} AS ${quoted(database)}.${like} ENGINE = ${engine}`
}

export function dropDistributed({ database }: ShardCluster, table: string): string {
  return `DROP TABLE IF EXISTS ${quoted(coordinatingDatabaseOf(database))}.${table}`
}

/** Removes the tables that have the rows of projects: a query of usage is an error until makeCoordinatingDatabase. Throws StoreError. */
export async function removeProjectTables(lane: Lane, of: ShardCluster): Promise<void> {
  await lane.command(`ALTER DATABASE ${quoted(coordinatingDatabaseOf(of.database))} MODIFY COMMENT ''`)
  for (const [table, key] of Object.entries(ON_EVERY_SHARD)) if (key === 'project') await lane.command(dropDistributed(of, table))
}

function quoted(database: string): string {
  return `\`${database}\``
}

/** Views that feed tables have no name in the coordinating database; what they write they write where the insert arrives. */
const tablesOfDatabase = defineQuery({
  name: 'tables_of_database',
  sql: `SELECT name, concat(engine, ' ', create_table_query) AS definition FROM system.tables
        WHERE database = {database: String} AND engine NOT IN ('MaterializedView', 'View') AND name NOT LIKE '.%' ORDER BY name`,
  params: z.object({ database: z.string() }),
  row: z.object({ name: z.string(), definition: z.string() }),
})

const markOfDatabase = defineQuery({
  name: 'mark_of_database',
  sql: 'SELECT comment AS mark FROM system.databases WHERE name = {database: String}',
  params: z.object({ database: z.string() }),
  row: z.object({ mark: z.string() }),
})
