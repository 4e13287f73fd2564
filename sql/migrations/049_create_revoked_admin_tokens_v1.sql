-- Admin tokens (JWTs) that were revoked before their end. A token that is in this table is rejected; its signature alone does not say
-- so. A row is of no use after the token's own end, and is dropped a day later, because clocks may differ.
CREATE TABLE IF NOT EXISTS revoked_admin_tokens_v1
(
    token_id   String,
    revoked_at DateTime64(3, 'UTC'),
    expires_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY token_id
TTL toDateTime(expires_at) + INTERVAL 1 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS revoked_admin_tokens_inbox_v1
(
    log        String,
    epoch      UInt64,
    owner      String,
    token_id   String,
    revoked_ms Int64,
    expires_ms Int64
)
ENGINE = Null;

-- The fence is that of the registry: a token gets one time of revocation.
CREATE MATERIALIZED VIEW IF NOT EXISTS revoked_admin_tokens_mv_v1 TO revoked_admin_tokens_v1 AS
SELECT token_id, fromUnixTimestamp64Milli(revoked_ms, 'UTC') AS revoked_at, fromUnixTimestamp64Milli(expires_ms, 'UTC') AS expires_at
FROM revoked_admin_tokens_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
