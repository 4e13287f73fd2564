-- Misrouted events: an event found outside its project's own partition is forwarded to it as a copy, and counted there. There is
-- one row per pair of logs. Until `to_log` is settled through its last copy, the watermark of `from_log` does not advance, so no
-- month is closed before the copies are counted.
CREATE TABLE IF NOT EXISTS passed_on_v1
(
    from_log       String,
    to_log         String,
    copies_through SimpleAggregateFunction(max, UInt64),
    copies         SimpleAggregateFunction(sum, UInt64),
    passed_at      SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (from_log, to_log)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS passed_on_inbox_v1
(
    log            String,
    epoch          UInt64,
    owner          String,
    to_log         String,
    copies_through UInt64,
    copies         UInt64
)
ENGINE = Null;

-- The fence: copies that a replaced owner forwarded are counted once like any others, but the watermark of the log belongs to
-- its successor.
CREATE MATERIALIZED VIEW IF NOT EXISTS passed_on_mv_v1 TO passed_on_v1 AS
SELECT log AS from_log, to_log, copies_through, copies, now64(3) AS passed_at
FROM passed_on_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
