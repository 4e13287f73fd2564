-- When the partner was disabled; null if it is enabled. A disabled partner's secrets are rejected, but its usage is still counted
-- and billed.
ALTER TABLE partners_v1 ADD COLUMN IF NOT EXISTS disabled_at Nullable(DateTime64(3, 'UTC'));

-- The first and last characters of a credential show people which one it is; neither helps to guess it.
ALTER TABLE partner_secrets_v1 ADD COLUMN IF NOT EXISTS prefix String;

ALTER TABLE partner_secrets_v1 ADD COLUMN IF NOT EXISTS revoked_at Nullable(DateTime64(3, 'UTC'));

ALTER TABLE ingest_keys_v1 ADD COLUMN IF NOT EXISTS prefix String;

-- The partners whose registered projects the key may send events for; empty means all projects.
ALTER TABLE ingest_keys_v1 ADD COLUMN IF NOT EXISTS partner_ids Array(String);

CREATE TABLE IF NOT EXISTS partners_inbox_v1
(
    log         String,
    epoch       UInt64,
    owner       String,
    partner_id  String,
    revision    UInt64,
    name        String,
    mode        String,
    created_ms  Int64,
    disabled_ms Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS partners_mv_v1 TO partners_v1 AS
SELECT partner_id, revision, name, mode, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at, fromUnixTimestamp64Milli(disabled_ms, 'UTC') AS disabled_at
FROM partners_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;

CREATE TABLE IF NOT EXISTS partner_secrets_inbox_v1
(
    log        String,
    epoch      UInt64,
    owner      String,
    partner_id String,
    secret_id  String,
    revision   UInt64,
    hash       String,
    prefix     String,
    last_four  String,
    created_ms Int64,
    expires_ms Nullable(Int64),
    revoked_ms Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS partner_secrets_mv_v1 TO partner_secrets_v1 AS
SELECT
    partner_id, secret_id, revision, hash, prefix, last_four,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(expires_ms, 'UTC') AS expires_at,
    fromUnixTimestamp64Milli(revoked_ms, 'UTC') AS revoked_at
FROM partner_secrets_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;

CREATE TABLE IF NOT EXISTS ingest_keys_inbox_v1
(
    log         String,
    epoch       UInt64,
    owner       String,
    hash        String,
    key_id      String,
    revision    UInt64,
    name        String,
    prefix      String,
    last_four   String,
    partner_ids Array(String),
    created_ms  Int64,
    revoked_ms  Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_keys_mv_v1 TO ingest_keys_v1 AS
SELECT
    hash, key_id, revision, name, prefix, last_four, partner_ids,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(revoked_ms, 'UTC') AS revoked_at
FROM ingest_keys_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
