-- The position of a log: the range [first, through] of its last batch. From the moment this row stands the range is in
-- doubt, and whoever takes the log settles it. Only the greatest (epoch, owner, first, through) is ever asked for, so
-- merges keep just that.
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

-- The fence: a position of an owner that is no longer the newest of its log is refused.
CREATE MATERIALIZED VIEW IF NOT EXISTS log_positions_mv_v1 TO log_positions_v1 AS
SELECT log, CAST((epoch, owner, first, through), 'Tuple(epoch UInt64, owner String, first UInt64, through UInt64)') AS newest
FROM log_positions_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
