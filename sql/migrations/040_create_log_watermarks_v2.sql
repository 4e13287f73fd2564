-- How far each log is complete: every event acknowledged before `as_of` is stored and reconciled, through the offset
-- `settled_through`. The owner writes it every few seconds, so it is also its heartbeat; `released` says that the owner
-- stopped in good order. Only the greatest row is read: the newest owner's, and of one owner the one with the greatest `number`.
-- An owner numbers its heartbeats: if their time decided, a server whose clock was set back would ignore a living owner for as long
-- as the step, and another process would take over its log. `host_at` is the clock of the owner's host, `written_at` that of the store.
CREATE TABLE IF NOT EXISTS log_watermarks_v2
(
    log    String,
    newest SimpleAggregateFunction(max, Tuple(epoch UInt64, owner String, number UInt64, written_at DateTime64(3, 'UTC'), host_at DateTime64(3, 'UTC'), as_of DateTime64(3, 'UTC'), settled_through Int64, released UInt8, host String))
)
ENGINE = AggregatingMergeTree
ORDER BY log
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS log_watermarks_inbox_v2
(
    log             String,
    epoch           UInt64,
    owner           String,
    number          UInt64,
    host_ms         Int64,
    as_of_ms        Int64,
    settled_through Int64,
    released        UInt8,
    host            String
)
ENGINE = Null;

-- The fence: a replaced owner cannot claim completeness. If it could, a month might be closed and billed without the usage that
-- the new owner has not stored yet.
CREATE MATERIALIZED VIEW IF NOT EXISTS log_watermarks_mv_v2 TO log_watermarks_v2 AS
SELECT
    log,
    CAST((epoch, owner, number, now64(3), fromUnixTimestamp64Milli(host_ms, 'UTC'), fromUnixTimestamp64Milli(as_of_ms, 'UTC'), settled_through, released, host),
         'Tuple(epoch UInt64, owner String, number UInt64, written_at DateTime64(3, \'UTC\'), host_at DateTime64(3, \'UTC\'), as_of DateTime64(3, \'UTC\'), settled_through Int64, released UInt8, host String)') AS newest
FROM log_watermarks_inbox_v2
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

-- Those of before. They are not numbered.
INSERT INTO log_watermarks_v2 (log, newest)
SELECT
    log,
    CAST((newest.epoch, newest.owner, 0, newest.written_at, newest.written_at, newest.as_of, newest.settled_through, newest.released, newest.host),
         'Tuple(epoch UInt64, owner String, number UInt64, written_at DateTime64(3, \'UTC\'), host_at DateTime64(3, \'UTC\'), as_of DateTime64(3, \'UTC\'), settled_through Int64, released UInt8, host String)') AS newest
FROM log_watermarks_v1;
