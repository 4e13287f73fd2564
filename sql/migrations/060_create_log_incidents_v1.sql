-- The incidents that stop a log until an operator decides. The owner of the log stores them, so that another process can announce them:
-- otherwise a log would stay stopped, and its usage unbilled, until somebody reads the metrics. An incident is its kind and the offset at
-- which the log stopped: the next owner meets the same one, and adds to its row. It is over as soon as the log is read under a newer lease
-- (log_watermarks_v2), or has a new name because an operator has reset it.
CREATE TABLE IF NOT EXISTS log_incidents_v1
(
    log         String,
    kind        LowCardinality(String),
    next_offset Int64,
    first_at    SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    newest      SimpleAggregateFunction(max, Tuple(epoch UInt64, owner String, message String))
)
ENGINE = AggregatingMergeTree
ORDER BY (log, kind, next_offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS log_incidents_inbox_v1
(
    log         String,
    epoch       UInt64,
    owner       String,
    kind        String,
    next_offset Int64,
    message     String
)
ENGINE = Null;

-- The fence: a replaced owner cannot claim that a log is stopped which the new owner reads.
CREATE MATERIALIZED VIEW IF NOT EXISTS log_incidents_mv_v1 TO log_incidents_v1 AS
SELECT
    log, kind, next_offset, now64(3, 'UTC') AS first_at,
    CAST((epoch, owner, message), 'Tuple(epoch UInt64, owner String, message String)') AS newest
FROM log_incidents_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
