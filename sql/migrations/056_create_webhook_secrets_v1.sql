-- The secrets that sign the messages of an endpoint: the newest one, and during an exchange those before it, each until it expires.
-- Each value is sealed under its own data key, and the data key under MASTER_KEY; both are bound to the secret and its endpoint. The
-- greatest revision of a secret counts.
CREATE TABLE IF NOT EXISTS webhook_secrets_v1
(
    endpoint_id     String,
    secret_id       String,
    revision        UInt64,
    sealed_data_key String,
    sealed_value    String,
    created_at      DateTime64(3, 'UTC'),
    expires_at      Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (endpoint_id, secret_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS webhook_secrets_inbox_v1
(
    log             String,
    epoch           UInt64,
    owner           String,
    endpoint_id     String,
    secret_id       String,
    revision        UInt64,
    sealed_data_key String,
    sealed_value    String,
    created_ms      Int64,
    expires_ms      Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS webhook_secrets_mv_v1 TO webhook_secrets_v1 AS
SELECT
    endpoint_id, secret_id, revision, sealed_data_key, sealed_value,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(expires_ms, 'UTC') AS expires_at
FROM webhook_secrets_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
