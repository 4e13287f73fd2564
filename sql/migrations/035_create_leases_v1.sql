-- Leases: one row per name, which is that of an event log, `registry`, `source`, or `closing/` and a partner. The fencing token
-- of a lease is (epoch, owner): the greatest token of a name owns it, and every fence compares with it. An acquisition inserts
-- one row of one part, so it is stored whole or not at all, and merges leave one row per name: the cost of a fence grows with
-- the number of names, not with the number of acquisitions. `acquisitions` tells an owner that acquires its lease again whether
-- anyone else has acquired it since; if not, its filter of known identities is still complete. If it missed another owner, the
-- events of that owner would be billed a second time.
CREATE TABLE IF NOT EXISTS leases_v1
(
    name         String,
    epoch        UInt64 EPHEMERAL,
    owner        String EPHEMERAL,
    newest       SimpleAggregateFunction(max, Tuple(epoch UInt64, owner String, acquired_at DateTime64(3, 'UTC'))) DEFAULT (epoch, owner, now64(3)),
    acquisitions SimpleAggregateFunction(sum, UInt64) DEFAULT 1
)
ENGINE = AggregatingMergeTree
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Owners of before keep their tokens in log_owners_v1. They end here: no process writes under them any more. Only names that are
-- retired stay so. If this is repeated, only `acquisitions` grows, which costs an owner its filter at most.
INSERT INTO leases_v1 (name, newest)
SELECT log, max((epoch, owner, taken_at)) FROM log_owners_v1 WHERE epoch >= 1099511627776 AND owner != 'leases_v1' GROUP BY log;

-- A process of an earlier version that still runs would acquire leases in log_owners_v1, which no fence reads any more, and kill
-- the inserts of their owners. No token exceeds this one, so from now on its acquisitions fail before it kills anything.
INSERT INTO log_owners_v1 (log, epoch, owner) SELECT DISTINCT log, 18446744073709551615, 'leases_v1' FROM log_owners_v1;

-- The same views as before, with fences that read leases_v1. An insert into an inbox without its view would be lost, so each
-- view is altered in place.

ALTER TABLE log_positions_mv_v1 MODIFY QUERY
SELECT log, CAST((epoch, owner, first, through), 'Tuple(epoch UInt64, owner String, first UInt64, through UInt64)') AS newest
FROM log_positions_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE log_watermarks_mv_v1 MODIFY QUERY
SELECT
    log,
    CAST((epoch, owner, now64(3), fromUnixTimestamp64Milli(as_of_ms, 'UTC'), settled_through, released, host),
         'Tuple(epoch UInt64, owner String, written_at DateTime64(3, \'UTC\'), as_of DateTime64(3, \'UTC\'), settled_through Int64, released UInt8, host String)') AS newest
FROM log_watermarks_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE raw_usage_events_mv_v1 MODIFY QUERY
SELECT
    project_id,
    event_id,
    toDate(fromUnixTimestamp64Milli(timestamp_ms, 'UTC')) AS usage_date,
    metric,
    fromUnixTimestamp64Milli(timestamp_ms, 'UTC') AS timestamp,
    value,
    log,
    18446744073709551615 - offset AS rank,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at
FROM usage_events_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE rollup_differences_mv_v1 MODIFY QUERY
SELECT project_id, usage_date, metric, log, peak, total, events, fromUnixTimestamp64Milli(last_event_ms, 'UTC') AS last_event_at
FROM rollup_differences_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE rejected_events_mv_v1 MODIFY QUERY
SELECT
    log, offset, reason, message, project_id, event_id, ingest_key_id,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at,
    base64Decode(original_base64) AS original
FROM rejected_events_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE projects_mv_v1 MODIFY QUERY
SELECT
    project_id, revision, partner_id, account_id, name, status, region, instance_type, access_host, sealed_api_key,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(deleted_ms, 'UTC') AS deleted_at
FROM projects_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE passed_on_mv_v1 MODIFY QUERY
SELECT log AS from_log, to_log, copies_through, copies, now64(3) AS passed_at
FROM passed_on_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE partner_billing_mv_v1 MODIFY QUERY
SELECT partner_id, revision, billing_from, now64(3) AS written_at
FROM partner_billing_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE statement_recounts_mv_v1 MODIFY QUERY
SELECT partner_id, closing, month, metric, project_id, days, values, events
FROM statement_recounts_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE statement_lines_mv_v1 MODIFY QUERY
SELECT partner_id, closing, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, reason
FROM statement_lines_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE statements_mv_v1 MODIFY QUERY
SELECT
    partner_id, month, closing,
    fromUnixTimestamp64Milli(closed_ms, 'UTC') AS closed_at,
    closed_by,
    fromUnixTimestamp64Milli(as_of_ms, 'UTC') AS as_of,
    lines, sha256, months, changes,
    fromUnixTimestamp64Milli(projects_through_ms, 'UTC') AS projects_through,
    metrics
FROM statements_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE audit_log_mv_v1 MODIFY QUERY
SELECT seq, fromUnixTimestamp64Milli(at_ms, 'UTC') AS at, actor, action, subject, details, request_id, previous_hash, hash
FROM audit_log_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE accounts_mv_v1 MODIFY QUERY
SELECT account_id, revision, partner_id, email, name, plan, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at
FROM accounts_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE projects_mv_v2 MODIFY QUERY
SELECT
    project_id, revision, partner_id, account_id, name, status, wanted_status, wanted_revision, provisioned_revision, region,
    instance_type, access_host, sealed_api_key,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(deleted_ms, 'UTC') AS deleted_at
FROM projects_inbox_v2
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE partners_mv_v1 MODIFY QUERY
SELECT partner_id, revision, name, mode, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at, fromUnixTimestamp64Milli(disabled_ms, 'UTC') AS disabled_at
FROM partners_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE partner_secrets_mv_v1 MODIFY QUERY
SELECT
    partner_id, secret_id, revision, hash, prefix, last_four,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(expires_ms, 'UTC') AS expires_at,
    fromUnixTimestamp64Milli(revoked_ms, 'UTC') AS revoked_at
FROM partner_secrets_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE ingest_keys_mv_v1 MODIFY QUERY
SELECT
    hash, key_id, revision, name, prefix, last_four, partner_ids,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(revoked_ms, 'UTC') AS revoked_at
FROM ingest_keys_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE signing_keys_mv_v1 MODIFY QUERY
SELECT
    kid, revision, public_jwk, sealed_private_key,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(signs_from_ms, 'UTC') AS signs_from,
    fromUnixTimestamp64Milli(withdrawn_ms, 'UTC') AS withdrawn_at
FROM signing_keys_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE secrets_mv_v1 MODIFY QUERY
SELECT
    key, revision, secret_id, sealed_data_key, sealed_value, is_active, is_reserved,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(updated_ms, 'UTC') AS updated_at,
    fromUnixTimestamp64Milli(expires_ms, 'UTC') AS expires_at
FROM secrets_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
