-- A project's day: the greatest sample, the sum and the count of each metric. Always read with GROUP BY, because parts
-- that are not merged yet hold a key more than once. Sums are Decimal(76, 9): two legal values of 9e28 overflow
-- Decimal(38, 9) silently. `log` is in the key because each log has one writer, and only that writer repairs its rows.
CREATE TABLE IF NOT EXISTS project_usage_per_day_v1
(
    project_id    String,
    usage_date    Date,
    metric        LowCardinality(String),
    log           LowCardinality(String),
    peak          SimpleAggregateFunction(max, Decimal(38, 9)),
    total         SimpleAggregateFunction(sum, Decimal(76, 9)),
    events        SimpleAggregateFunction(sum, Int64),
    last_event_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(usage_date)
ORDER BY (project_id, usage_date, metric, log)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Adds every row of raw, so raw must never get a row twice: a maximum taken twice is the same, a sum is not.
CREATE MATERIALIZED VIEW IF NOT EXISTS project_usage_per_day_mv_v1 TO project_usage_per_day_v1 AS
SELECT
    project_id,
    usage_date,
    metric,
    log,
    max(value) AS peak,
    sum(toDecimal256(value, 9)) AS total,
    toInt64(count()) AS events,
    max(timestamp) AS last_event_at
FROM raw_usage_events_v1
GROUP BY project_id, usage_date, metric, log;

-- Repairs: recount minus rollup of one (project, day, metric) within one log. Sent only by the log's owner while it settles.
CREATE TABLE IF NOT EXISTS rollup_differences_inbox_v1
(
    log           LowCardinality(String),
    epoch         UInt64,
    owner         String,
    project_id    String,
    usage_date    Date,
    metric        LowCardinality(String),
    peak          Decimal(38, 9),
    total         Decimal(76, 9),
    events        Int64,
    last_event_ms Int64
)
ENGINE = Null;

-- The fence: a repair computed by an owner that has been overtaken would be added on top of its successor's.
CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_differences_mv_v1 TO project_usage_per_day_v1 AS
SELECT project_id, usage_date, metric, log, peak, total, events, fromUnixTimestamp64Milli(last_event_ms, 'UTC') AS last_event_at
FROM rollup_differences_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
