-- The usage of a project per day and metric: the greatest sample, the sum and the number of events. Always read it with
-- GROUP BY, because parts that are not merged yet hold a key more than once. Sums are Decimal(76, 9): two valid values of 9e28
-- silently overflow Decimal(38, 9). `log` is in the key because each log has one writer, and only that writer repairs its rows.
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

-- Adds every row that is inserted into raw, so a row must be inserted into raw only once. A maximum taken twice stays the same;
-- a sum would bill the event twice.
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

-- Repairs: recount minus rollup of one (project, day, metric) within one log. Only the owner of the log inserts them, and never
-- while it writes a batch.
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

-- The fence: a repair computed by a replaced owner would be added on top of its successor's, and be billed twice.
CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_differences_mv_v1 TO project_usage_per_day_v1 AS
SELECT project_id, usage_date, metric, log, peak, total, events, fromUnixTimestamp64Milli(last_event_ms, 'UTC') AS last_event_at
FROM rollup_differences_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
