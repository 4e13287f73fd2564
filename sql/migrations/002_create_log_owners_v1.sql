-- Who has taken which log, one row a take. The greatest (epoch, owner) of a log owns it; every fencing view compares with
-- it. Rows are never merged away: a filter of identities is kept over a take only when its (epoch, owner) is the
-- greatest below the new one, so the one below must still be there to be seen.
CREATE TABLE IF NOT EXISTS log_owners_v1
(
    log      String,
    epoch    UInt64,
    owner    String,
    taken_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (log, epoch, owner)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
