-- Keys of the rollup that an audit found to differ from raw, for the owner of the log to recount: only the one writer of a log
-- repairs its rows, between two of its batches. Repairing a key twice changes nothing.
CREATE TABLE IF NOT EXISTS rollup_repairs_v1
(
    log          String,
    requested_at DateTime64(3, 'UTC') DEFAULT now64(3),
    project_id   String,
    usage_date   Date,
    metric       LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY (log, requested_at)
TTL toDateTime(requested_at) + INTERVAL 30 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
