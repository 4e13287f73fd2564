-- Requests to read a log again from an offset. The API inserts them; the owner of the log carries them out and then sets
-- `begun_at` with a greater revision. Reading events again counts nothing twice.
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
