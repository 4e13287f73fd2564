-- The RSA keys that sign tokens. These times alone decide which key signs and which ones are published, so that all processes
-- agree without communicating. The private key is sealed under MASTER_KEY.
CREATE TABLE IF NOT EXISTS signing_keys_v1
(
    kid                String,
    revision           UInt64,
    public_jwk         String,
    sealed_private_key String,
    created_at         DateTime64(3, 'UTC'),
    signs_from         DateTime64(3, 'UTC'),
    withdrawn_at       Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY kid
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS signing_keys_inbox_v1
(
    log                String,
    epoch              UInt64,
    owner              String,
    kid                String,
    revision           UInt64,
    public_jwk         String,
    sealed_private_key String,
    created_ms         Int64,
    signs_from_ms      Int64,
    withdrawn_ms       Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS signing_keys_mv_v1 TO signing_keys_v1 AS
SELECT
    kid, revision, public_jwk, sealed_private_key,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(signs_from_ms, 'UTC') AS signs_from,
    fromUnixTimestamp64Milli(withdrawn_ms, 'UTC') AS withdrawn_at
FROM signing_keys_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
