-- Secrets that administrators store, by their key. Each value is sealed under its own data key, and the data key under MASTER_KEY;
-- both are bound to the secret's key and id. A change inserts a row with a greater revision; the greatest revision counts. A
-- deleted secret is an inactive one.
CREATE TABLE IF NOT EXISTS secrets_v1
(
    key             String,
    revision        UInt64,
    secret_id       String,
    sealed_data_key String,
    sealed_value    String,
    is_active       UInt8,
    is_reserved     UInt8,
    created_at      DateTime64(3, 'UTC'),
    updated_at      DateTime64(3, 'UTC'),
    expires_at      Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY key
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS secrets_inbox_v1
(
    log             String,
    epoch           UInt64,
    owner           String,
    key             String,
    revision        UInt64,
    secret_id       String,
    sealed_data_key String,
    sealed_value    String,
    is_active       UInt8,
    is_reserved     UInt8,
    created_ms      Int64,
    updated_ms      Int64,
    expires_ms      Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS secrets_mv_v1 TO secrets_v1 AS
SELECT
    key, revision, secret_id, sealed_data_key, sealed_value, is_active, is_reserved,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(updated_ms, 'UTC') AS updated_at,
    fromUnixTimestamp64Milli(expires_ms, 'UTC') AS expires_at
FROM secrets_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
