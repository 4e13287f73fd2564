-- Leases, one row per acquisition. The fencing token of a lease is (epoch, owner): the greatest token of a name owns it, and
-- every fence compares with it. `log` is the name; the registry and the closings have leases too. Rows are never merged away:
-- an owner that re-acquires a log keeps its filter of known events only if the greatest token below the new one is its own. If
-- another owner's row were missing, the filter would lack the events of that owner, and their duplicates would be billed again.
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
