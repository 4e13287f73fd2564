-- Every rejected event with its reason and its original bytes (at most 64 KiB), so that it can be corrected and resent.
-- (log, offset) identifies it; writing it twice leaves one row.
CREATE TABLE IF NOT EXISTS rejected_events_v1
(
    log           LowCardinality(String),
    offset        UInt64,
    reason        LowCardinality(String),
    message       String CODEC(ZSTD(3)),
    project_id    String,
    event_id      String,
    ingest_key_id String,
    received_at   DateTime64(3, 'UTC'),
    original      String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (log, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The original is inserted as base64: it may be any bytes, and inserts are text.
CREATE TABLE IF NOT EXISTS rejected_events_inbox_v1
(
    log             LowCardinality(String),
    epoch           UInt64,
    owner           String,
    offset          UInt64,
    reason          LowCardinality(String),
    message         String,
    project_id      String,
    event_id        String,
    ingest_key_id   String,
    received_ms     Int64,
    original_base64 String
)
ENGINE = Null;

-- The fence: a replaced owner's rejections could contradict what its successor decided about the same offsets.
CREATE MATERIALIZED VIEW IF NOT EXISTS rejected_events_mv_v1 TO rejected_events_v1 AS
SELECT
    log, offset, reason, message, project_id, event_id, ingest_key_id,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at,
    base64Decode(original_base64) AS original
FROM rejected_events_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
