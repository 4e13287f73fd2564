import { MS_PER_DAY } from '../../../metering/timestamp.ts'

/** A Null table with a fencing view, a row to insert into it, and the table that stores its rows. */
export interface FencedInbox {
  readonly table: string
  /** The columns besides log, epoch and owner. */
  readonly columns: readonly string[]
  readonly fields: (number: number, log: string) => (string | number | null)[]
  readonly target: string
  /** The column of the target that contains the name of the lease in the rows of `fields`. */
  readonly mark: string
}

const JANUARY_31_MS = Date.UTC(2026, 0, 31)

export const FENCED_INBOXES: readonly FencedInbox[] = [
  { table: 'log_positions_inbox_v1', columns: ['first', 'through'], fields: (number) => [number, number], target: 'log_positions_v1', mark: 'log' },
  {
    table: 'log_watermarks_inbox_v1',
    columns: ['as_of_ms', 'settled_through', 'released', 'host'],
    fields: (number) => [JANUARY_31_MS + number, number, 0, 'test'],
    target: 'log_watermarks_v1',
    mark: 'log',
  },
  {
    table: 'log_watermarks_inbox_v2',
    columns: ['number', 'host_ms', 'as_of_ms', 'settled_through', 'released', 'host'],
    fields: (number) => [number, JANUARY_31_MS, JANUARY_31_MS + number, number, 0, 'test'],
    target: 'log_watermarks_v2',
    mark: 'log',
  },
  {
    table: 'usage_events_inbox_v1',
    columns: ['offset', 'project_id', 'event_id', 'metric', 'timestamp_ms', 'value', 'received_ms'],
    fields: (number) => [number, 'fenced', `e${number}`, 'ai_tokens', JANUARY_31_MS + number * MS_PER_DAY, number, JANUARY_31_MS],
    target: 'raw_usage_events_v1',
    mark: 'log',
  },
  {
    table: 'rejected_events_inbox_v1',
    columns: ['offset', 'reason', 'message', 'project_id', 'event_id', 'ingest_key_id', 'received_ms', 'original_base64'],
    fields: (number) => [number, 'conflict', 'test', 'fenced', `e${number}`, 'key', JANUARY_31_MS, ''],
    target: 'rejected_events_v1',
    mark: 'log',
  },
  {
    table: 'rollup_differences_inbox_v1',
    columns: ['project_id', 'usage_date', 'metric', 'peak', 'total', 'events', 'last_event_ms'],
    fields: (number) => ['fenced', '2026-01-31', 'ai_tokens', number, number, 1, JANUARY_31_MS],
    target: 'project_usage_per_day_v1',
    mark: 'log',
  },
  {
    table: 'passed_on_inbox_v1',
    columns: ['to_log', 'copies_through', 'copies'],
    fields: (number) => ['elsewhere', number, 1],
    target: 'passed_on_v1',
    mark: 'from_log',
  },
  { table: 'sources_inbox_v1', columns: ['in_force', 'source'], fields: (number, log) => [number === 1 ? 1 : 0, log], target: 'sources_v1', mark: 'source' },
  {
    table: 'projects_inbox_v1',
    columns: [
      'project_id',
      'revision',
      'partner_id',
      'account_id',
      'name',
      'status',
      'region',
      'instance_type',
      'access_host',
      'sealed_api_key',
      'created_ms',
      'deleted_ms',
    ],
    fields: (number, log) => [`p${number}`, number, log, '', `p${number}`, 'active', 'us-east', 'nano', '', '', JANUARY_31_MS, null],
    target: 'projects_v1',
    mark: 'partner_id',
  },
  {
    table: 'projects_inbox_v2',
    columns: [
      'project_id',
      'revision',
      'partner_id',
      'account_id',
      'name',
      'status',
      'wanted_status',
      'wanted_revision',
      'provisioned_revision',
      'region',
      'instance_type',
      'access_host',
      'sealed_api_key',
      'created_ms',
      'deleted_ms',
    ],
    fields: (number, log) => [`q${number}`, number, log, '', `q${number}`, 'active', 'active', number, number, 'us-east', 'nano', '', '', JANUARY_31_MS, null],
    target: 'projects_v1',
    mark: 'partner_id',
  },
  {
    table: 'audit_log_inbox_v1',
    columns: ['seq', 'at_ms', 'actor', 'action', 'subject', 'details', 'request_id', 'previous_hash', 'hash'],
    fields: (number, log) => [number, JANUARY_31_MS, 'test', 'test', log, '{}', '', '', ''],
    target: 'audit_log_v1',
    mark: 'subject',
  },
  {
    table: 'accounts_inbox_v1',
    columns: ['account_id', 'revision', 'partner_id', 'email', 'name', 'plan', 'created_ms'],
    fields: (number, log) => [`a${number}`, number, log, '', '', 'free', JANUARY_31_MS],
    target: 'accounts_v1',
    mark: 'partner_id',
  },
  {
    table: 'partners_inbox_v1',
    columns: ['partner_id', 'revision', 'name', 'mode', 'created_ms', 'disabled_ms'],
    fields: (number, log) => [`${log}${number}`, number, log, 'white-label', JANUARY_31_MS, null],
    target: 'partners_v1',
    mark: 'name',
  },
  {
    table: 'partner_secrets_inbox_v1',
    columns: ['partner_id', 'secret_id', 'revision', 'hash', 'prefix', 'last_four', 'created_ms', 'expires_ms', 'revoked_ms'],
    fields: (number, log) => [log, `s${number}`, number, '', '', '', JANUARY_31_MS, null, null],
    target: 'partner_secrets_v1',
    mark: 'partner_id',
  },
  {
    table: 'ingest_keys_inbox_v1',
    columns: ['hash', 'key_id', 'revision', 'name', 'prefix', 'last_four', 'partner_ids', 'created_ms', 'revoked_ms'],
    fields: (number, log) => [`${log}${number}`, `k${number}`, number, log, '', '', '[]', JANUARY_31_MS, null],
    target: 'ingest_keys_v1',
    mark: 'name',
  },
  {
    table: 'signing_keys_inbox_v1',
    columns: ['kid', 'revision', 'public_jwk', 'sealed_private_key', 'created_ms', 'signs_from_ms', 'withdrawn_ms'],
    fields: (number, log) => [`${log}${number}`, number, log, '', JANUARY_31_MS, JANUARY_31_MS, null],
    target: 'signing_keys_v1',
    mark: 'public_jwk',
  },
  {
    table: 'sealed_keys_inbox_v1',
    columns: ['name', 'sealed', 'rewrapped'],
    fields: (number, log) => [log, '', number],
    target: 'sealed_keys_v1',
    mark: 'name',
  },
  {
    table: 'revoked_admin_tokens_inbox_v1',
    columns: ['token_id', 'revoked_ms', 'expires_ms'],
    // The table drops rows a day after their expiry.
    fields: (number, log) => [log, JANUARY_31_MS + number, Date.UTC(2099, 0, 1)],
    target: 'revoked_admin_tokens_v1',
    mark: 'token_id',
  },
  {
    table: 'secrets_inbox_v1',
    columns: ['key', 'revision', 'secret_id', 'sealed_data_key', 'sealed_value', 'is_active', 'is_reserved', 'created_ms', 'updated_ms', 'expires_ms'],
    fields: (number, log) => [`${log}${number}`, number, log, '', '', 1, 0, JANUARY_31_MS, JANUARY_31_MS, null],
    target: 'secrets_v1',
    mark: 'secret_id',
  },
  {
    table: 'schedules_inbox_v1',
    columns: [
      ...['schedule_id', 'revision', 'name', 'definition', 'is_active', 'is_deleted', 'active_from_ms', 'requested_ms'],
      ...['created_ms', 'updated_ms'],
    ],
    // Deleted: what runs schedules does not read its definition.
    fields: (number, log) => [`${log}${number}`, number, log, '{}', 0, 1, JANUARY_31_MS, '[]', JANUARY_31_MS, JANUARY_31_MS],
    target: 'schedules_v1',
    mark: 'name',
  },
  {
    table: 'schedule_runs_inbox_v1',
    columns: ['schedule_id', 'due_ms', 'step', 'kind', 'state', 'executed_ms', 'status_code', 'duration_ms', 'message'],
    fields: (number, log) => [log, JANUARY_31_MS + number, 2, 'schedule', 'succeeded', JANUARY_31_MS, 200, 1, ''],
    target: 'schedule_runs_v1',
    mark: 'schedule_id',
  },
  {
    table: 'schedule_beats_inbox_v1',
    columns: ['beat', 'released'],
    fields: (number) => [number, 0],
    target: 'schedule_beats_v1',
    mark: 'log',
  },
  {
    table: 'deliveries_inbox_v1',
    columns: ['schedule_id', 'subject', 'revision', 'step', 'name', 'status', 'sha256', 'bytes', 'changes', 'delivered_ms'],
    fields: (number, log) => [log, `s${number}`, number, 2, '', 'open', '', 0, 0, JANUARY_31_MS],
    target: 'deliveries_v1',
    mark: 'schedule_id',
  },
  {
    table: 'partner_billing_inbox_v1',
    columns: ['partner_id', 'revision', 'billing_from'],
    fields: (number, log) => [log, number, '2026-01'],
    target: 'partner_billing_v1',
    mark: 'partner_id',
  },
  {
    table: 'statement_recounts_inbox_v1',
    columns: ['partner_id', 'closing', 'month', 'metric', 'project_id', 'days', 'values', 'events'],
    fields: (number, log) => [log, 'c', '2026-01', 'ai_tokens', `p${number}`, "['2026-01-31']", `[${number}]`, '[1]'],
    target: 'statement_recounts_v1',
    mark: 'partner_id',
  },
  {
    table: 'statement_lines_inbox_v1',
    columns: ['partner_id', 'closing', 'month', 'line', 'for_month', 'project_id', 'metric', 'entry', 'kind', 'unit', 'value', 'events'],
    fields: (number, log) => [log, 'c', '2026-01', 'usage', '2026-01', `p${number}`, 'ai_tokens', '', 'cumulative', 'token', number, 1],
    target: 'statement_lines_v1',
    mark: 'partner_id',
  },
  {
    table: 'manual_adjustments_inbox_v1',
    columns: ['partner_id', 'entry', 'for_month', 'project_id', 'metric', 'value', 'reason'],
    fields: (number, log) => [log, `e${number}`, '2026-01', '', 'ai_tokens', number, 'test'],
    target: 'manual_adjustments_v1',
    mark: 'partner_id',
  },
  {
    table: 'statements_inbox_v1',
    columns: ['partner_id', 'month', 'closing', 'closed_ms', 'closed_by', 'as_of_ms', 'lines', 'sha256', 'months', 'changes', 'projects_through_ms', 'metrics'],
    fields: (number, log) => [
      log,
      '2026-01',
      `c${number}`,
      JANUARY_31_MS,
      'operator',
      JANUARY_31_MS,
      1,
      '',
      "['2026-01']",
      '[1]',
      JANUARY_31_MS,
      "[('ai_tokens','cumulative','token')]",
    ],
    target: 'statements_v1',
    mark: 'partner_id',
  },
]
