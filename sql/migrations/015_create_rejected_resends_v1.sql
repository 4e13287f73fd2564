-- Rejected events that were resent, as new records with a new receive time. The row is inserted after the new record is durable:
-- a crash between the two leaves a resent event without a row, and if it is resent again, it still counts once.
CREATE TABLE IF NOT EXISTS rejected_resends_v1
(
    log       LowCardinality(String),
    offset    UInt64,
    resent_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (log, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
