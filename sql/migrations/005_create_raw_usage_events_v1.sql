-- Every counted event, once. Rows are never dropped: a duplicate can arrive years later, and only the stored identity
-- (project_id, event_id) reveals it. rank = 2^64-1 - offset, so of two rows with one identity a merge keeps the one with
-- the lower offset. Without it the last insert would win, and a re-sent event could change a closed bill. usage_date is the last column of
-- the sorting key, so that FINAL over one month reads only that month.
CREATE TABLE IF NOT EXISTS raw_usage_events_v1
(
    project_id  String CODEC(ZSTD(3)),
    event_id    String CODEC(ZSTD(3)),
    usage_date  Date CODEC(ZSTD(3)),
    metric      LowCardinality(String) CODEC(ZSTD(3)),
    timestamp   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(3)),
    value       Decimal(38, 9) CODEC(ZSTD(3)),
    log         LowCardinality(String) CODEC(ZSTD(3)),
    rank        UInt64 CODEC(Delta, ZSTD(3)),
    offset      UInt64 ALIAS 18446744073709551615 - rank,
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(3)),
    INDEX rank_range rank TYPE minmax
)
ENGINE = ReplacingMergeTree(rank)
PARTITION BY toYYYYMM(usage_date)
PRIMARY KEY (project_id, event_id)
ORDER BY (project_id, event_id, usage_date)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Batches are inserted here. The table stores nothing: the rows that pass the fence are stored in raw_usage_events_v1.
CREATE TABLE IF NOT EXISTS usage_events_inbox_v1
(
    log          LowCardinality(String),
    epoch        UInt64,
    owner        LowCardinality(String),
    offset       UInt64,
    project_id   String,
    event_id     String,
    metric       LowCardinality(String),
    timestamp_ms Int64,
    value        Decimal(38, 9),
    received_ms  Int64
)
ENGINE = Null;

-- The fence: it rejects a whole batch, however late it arrives, unless its fencing token is the newest of the log. A late batch
-- of a replaced owner may hold events that the new owner has stored as well, and the sums would bill them twice.
CREATE MATERIALIZED VIEW IF NOT EXISTS raw_usage_events_mv_v1 TO raw_usage_events_v1 AS
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
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
