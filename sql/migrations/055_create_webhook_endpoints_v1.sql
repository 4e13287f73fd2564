-- Where messages are sent. `set_by` is the partner that created the endpoint, empty for operators, and no other caller may see it;
-- `partner_id` is the only partner whose messages it gets, empty for those of all. The greatest revision of an endpoint counts. A
-- removed endpoint stays, because the delivery log names it.
CREATE TABLE IF NOT EXISTS webhook_endpoints_v1
(
    endpoint_id     String,
    revision        UInt64,
    set_by          String,
    partner_id      String,
    url             String,
    events          Array(String),
    created_at      DateTime64(3, 'UTC'),
    enabled_at      DateTime64(3, 'UTC'),
    disabled_at     Nullable(DateTime64(3, 'UTC')),
    disabled_reason LowCardinality(String),
    removed_at      Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY endpoint_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS webhook_endpoints_inbox_v1
(
    log             String,
    epoch           UInt64,
    owner           String,
    endpoint_id     String,
    revision        UInt64,
    set_by          String,
    partner_id      String,
    url             String,
    events          Array(String),
    created_ms      Int64,
    enabled_ms      Int64,
    disabled_ms     Nullable(Int64),
    disabled_reason String,
    removed_ms      Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS webhook_endpoints_mv_v1 TO webhook_endpoints_v1 AS
SELECT
    endpoint_id, revision, set_by, partner_id, url, events,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(enabled_ms, 'UTC') AS enabled_at,
    fromUnixTimestamp64Milli(disabled_ms, 'UTC') AS disabled_at,
    disabled_reason,
    fromUnixTimestamp64Milli(removed_ms, 'UTC') AS removed_at
FROM webhook_endpoints_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
