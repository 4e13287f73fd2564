import { expect, test } from 'vitest'
import { ON_EVERY_SHARD, ON_ONE_SHARD, statementsOf } from '../../sql/coordinating-database.ts'
import { readMigrations } from '../../sql/migrate.ts'

/**
 * Everything that has one place. Before a table is added here, check that no owner of an event log writes it: of a table that each shard has rows
 * of, only those of the first shard would be read.
 */
const ON_THE_FIRST_SHARD = [
  'accounts_inbox_v1',
  'accounts_v1',
  'audit_log_inbox_v1',
  'audit_log_v1',
  'billed_events_v1',
  'correction_batches_inbox_v1',
  'correction_batches_v1',
  'credential_uses_v1',
  'day_audits_v1',
  'deliveries_inbox_v1',
  'deliveries_v1',
  'export_days_v1',
  'export_rows_v1',
  'ingest_keys_inbox_v1',
  'ingest_keys_v1',
  'leases_v1',
  'log_replays_v1',
  'manual_adjustments_inbox_v1',
  'manual_adjustments_v1',
  'metrics_inbox_v1',
  'metrics_v1',
  'partner_billing_inbox_v1',
  'partner_billing_v1',
  'partner_secrets_inbox_v1',
  'partner_secrets_v1',
  'partners_inbox_v1',
  'partners_v1',
  'partnership_projects_kept_v1',
  'partnership_usage_per_day_v1',
  'project_senders_v1',
  'project_walks_v1',
  'projects_inbox_v1',
  'projects_inbox_v2',
  'projects_v1',
  'rejected_resends_v1',
  'revoked_admin_tokens_inbox_v1',
  'revoked_admin_tokens_v1',
  'rollup_rebuilds_v1',
  'rollup_repairs_v1',
  'schedule_beats_inbox_v1',
  'schedule_beats_v1',
  'schedule_runs_inbox_v1',
  'schedule_runs_v1',
  'schedules_inbox_v1',
  'schedules_v1',
  'sealed_keys_inbox_v1',
  'sealed_keys_v1',
  'secrets_inbox_v1',
  'secrets_v1',
  'shard_maps_v1',
  'signing_keys_inbox_v1',
  'signing_keys_v1',
  'sources_inbox_v1',
  'sources_v1',
  'statement_lines_inbox_v1',
  'statement_lines_v1',
  'statement_recounts_inbox_v1',
  'statement_recounts_v1',
  'statements_inbox_v1',
  'statements_v1',
  'thresholds_inbox_v1',
  'thresholds_v1',
  'topic_incarnations_v1',
  'webhook_attempts_v1',
  'webhook_endpoints_inbox_v1',
  'webhook_endpoints_v1',
  'webhook_messages_inbox_v1',
  'webhook_messages_v1',
  'webhook_secrets_inbox_v1',
  'webhook_secrets_v1',
]

const names = [
  ...new Set(
    (await readMigrations()).flatMap(({ statements }) => statements).flatMap((statement) => /^CREATE TABLE IF NOT EXISTS (\w+)/.exec(statement)?.[1] ?? []),
  ),
].sort()

test('P6: every table has one place: on the first shard, on the shard of its log, or on every shard', () => {
  const onEvery = Object.keys(ON_EVERY_SHARD)
  expect([...onEvery, ...ON_ONE_SHARD, ...ON_THE_FIRST_SHARD].sort()).toEqual(names)
})

test('P6: a table that only the owner of a log may use has no name in the coordinating database', () => {
  const statements = statementsOf({ database: 'meterline', cluster: 'cluster', slots: [1, 2, 3, 2] }, names)
  for (const table of ON_ONE_SHARD) expect(statements.filter((statement) => statement.includes(`.${table} `))).toEqual([])
  expect(statements).toContain("CREATE OR REPLACE TABLE `meterline_all`.projects_v1 ENGINE = Alias('meterline', 'projects_v1')")
  expect(statements).toContain(
    "CREATE OR REPLACE TABLE `meterline_all`.raw_usage_events_v1 AS `meterline`.raw_usage_events_v1 ENGINE = Distributed('cluster', 'meterline', 'raw_usage_events_v1', arrayElement([0, 1, 2, 1], bitAnd(kafkaMurmurHash(project_id), 2147483647) % 4 + 1))",
  )
  expect(statements).toContain(
    "CREATE OR REPLACE TABLE `meterline_all`.log_positions_v1 AS `meterline`.log_positions_v1 ENGINE = Distributed('cluster', 'meterline', 'log_positions_v1')",
  )
})
