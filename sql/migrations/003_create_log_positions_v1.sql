-- The position of each log: the range of offsets [first, through] of its last batch. Once the row is stored, the range is in
-- doubt: a crash may leave any part of the batch stored, so the next owner of the log reconciles it. Only the greatest
-- (epoch, owner, first, through) is ever read, so merges keep only that one.
CREATE TABLE IF NOT EXISTS log_positions_v1
(
    log    String,
    newest SimpleAggregateFunction(max, Tuple(epoch UInt64, owner String, first UInt64, through UInt64))
)
ENGINE = AggregatingMergeTree
ORDER BY log
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS log_positions_inbox_v1
(
    log     String,
    epoch   UInt64,
    owner   String,
    first   UInt64,
    through UInt64
)
ENGINE = Null;

-- The fence: it rejects a position unless its fencing token is the newest of the log.
CREATE MATERIALIZED VIEW IF NOT EXISTS log_positions_mv_v1 TO log_positions_v1 AS
SELECT log, CAST((epoch, owner, first, through), 'Tuple(epoch UInt64, owner String, first UInt64, through UInt64)') AS newest
FROM log_positions_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
