-- The audit log: who changed what, and who read a secret. Entries are numbered without a gap, and each holds the hash of the one
-- before. An entry is written before the change it describes, so there is no change without an entry; after a crash there can be
-- an entry without its change. Entries are never changed or deleted.
CREATE TABLE IF NOT EXISTS audit_log_v1
(
    seq           UInt64,
    at            DateTime64(3, 'UTC'),
    actor         String,
    action        LowCardinality(String),
    subject       String,
    details       String,
    request_id    String,
    previous_hash String,
    hash          String
)
ENGINE = ReplacingMergeTree
ORDER BY (seq, hash)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS audit_log_inbox_v1
(
    log           String,
    epoch         UInt64,
    owner         String,
    seq           UInt64,
    at_ms         Int64,
    actor         String,
    action        String,
    subject       String,
    details       String,
    request_id    String,
    previous_hash String,
    hash          String
)
ENGINE = Null;

-- The fence is that of the registry: two entries with one number would split the chain of hashes.
CREATE MATERIALIZED VIEW IF NOT EXISTS audit_log_mv_v1 TO audit_log_v1 AS
SELECT seq, fromUnixTimestamp64Milli(at_ms, 'UTC') AS at, actor, action, subject, details, request_id, previous_hash, hash
FROM audit_log_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
