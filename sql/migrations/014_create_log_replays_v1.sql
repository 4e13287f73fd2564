-- Wishes to read a log again from an offset. Written by the api, carried out by the log's owner, which then marks them
-- with a greater revision. Reading again counts nothing twice.
CREATE TABLE IF NOT EXISTS log_replays_v1
(
    id           String,
    revision     UInt64,
    log          String,
    from_offset  UInt64,
    requested_at DateTime64(3, 'UTC'),
    begun_at     Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (log, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
