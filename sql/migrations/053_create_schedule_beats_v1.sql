-- Signs of life of the process that runs the schedules. Another process takes its lease over when they stop, or immediately when the
-- last one says that the process has stopped. It only saves time: what keeps runs from being claimed twice is the fence.
CREATE TABLE IF NOT EXISTS schedule_beats_v1
(
    log    String,
    newest SimpleAggregateFunction(max, Tuple(epoch UInt64, owner String, beat UInt64, released UInt8))
)
ENGINE = AggregatingMergeTree
ORDER BY log
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS schedule_beats_inbox_v1
(
    log      String,
    epoch    UInt64,
    owner    String,
    beat     UInt64,
    released UInt8
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS schedule_beats_mv_v1 TO schedule_beats_v1 AS
SELECT log, CAST((epoch, owner, beat, released), 'Tuple(epoch UInt64, owner String, beat UInt64, released UInt8)') AS newest
FROM schedule_beats_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
