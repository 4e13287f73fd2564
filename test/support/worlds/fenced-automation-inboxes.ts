import { type FencedInbox, JANUARY_31_MS } from './fenced-inbox.ts'

/** Those that automation/ writes. */
export const AUTOMATION_INBOXES: readonly FencedInbox[] = [
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
    columns: ['schedule_id', 'subject', 'revision', 'step', 'name', 'status', 'sha256', 'bytes', 'changes', 'delivered_ms', 'target'],
    fields: (number, log) => [log, `s${number}`, number, 2, '', 'open', '', 0, 0, JANUARY_31_MS, ''],
    target: 'deliveries_v1',
    mark: 'schedule_id',
  },
  {
    table: 'webhook_endpoints_inbox_v1',
    columns: [
      ...['endpoint_id', 'revision', 'set_by', 'partner_id', 'url', 'events', 'created_ms', 'enabled_ms', 'disabled_ms', 'disabled_reason', 'removed_ms'],
    ],
    fields: (number, log) => [`${log}${number}`, number, log, '', '', '[]', JANUARY_31_MS, JANUARY_31_MS, null, '', null],
    target: 'webhook_endpoints_v1',
    mark: 'set_by',
  },
  {
    table: 'webhook_secrets_inbox_v1',
    columns: ['endpoint_id', 'secret_id', 'revision', 'sealed_data_key', 'sealed_value', 'created_ms', 'expires_ms'],
    fields: (number, log) => [log, `s${number}`, number, '', '', JANUARY_31_MS, null],
    target: 'webhook_secrets_v1',
    mark: 'endpoint_id',
  },
  {
    table: 'webhook_messages_inbox_v1',
    columns: ['message_id', 'type', 'partner_id', 'endpoint_ids', 'body', 'created_ms', 'subject', 'part', 'month', 'number', 'state'],
    fields: (number, log) => [`m${number}`, 'log.incident', log, '[]', '', JANUARY_31_MS, '', '', '', 0, ''],
    target: 'webhook_messages_v1',
    mark: 'partner_id',
  },
  {
    table: 'thresholds_inbox_v1',
    columns: [
      ...[
        'threshold_id',
        'revision',
        'set_by',
        'partner_id',
        'project_id',
        'metric',
        'levels',
        'budget',
        'is_active',
        'created_ms',
        'updated_ms',
        'removed_ms',
      ],
    ],
    fields: (number, log) => [`${log}${number}`, number, log, '', '', 'ai_tokens', '[]', '', 1, JANUARY_31_MS, JANUARY_31_MS, null],
    target: 'thresholds_v1',
    mark: 'set_by',
  },
]
