-- The users of co-branded partners. A partner has one account per email address. A change inserts a row with a greater revision;
-- the greatest revision counts. The plan limits how many projects may be active at the same time.
CREATE TABLE IF NOT EXISTS accounts_v1
(
    account_id String,
    revision   UInt64,
    partner_id String,
    email      String,
    name       String,
    plan       LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    INDEX partner partner_id TYPE bloom_filter
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY account_id
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS accounts_inbox_v1
(
    log        String,
    epoch      UInt64,
    owner      String,
    account_id String,
    revision   UInt64,
    partner_id String,
    email      String,
    name       String,
    plan       String,
    created_ms Int64
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS accounts_mv_v1 TO accounts_v1 AS
SELECT account_id, revision, partner_id, email, name, plan, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at
FROM accounts_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
