-- A month's rollup is recounted from raw here, and then moved to project_usage_per_day_v1 by REPLACE PARTITION. That requires the
-- same columns, partition key and sorting key: a change of that table is a change of this one too. No answer is read from it.
-- Rows left by an earlier rebuild would be added to the sums of the next one, so the table is emptied first.
CREATE TABLE IF NOT EXISTS rebuilt_usage_per_day_v1
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

-- The rebuilds of each month, numbered. A rebuild that was begun and not ended may have replaced the rollup from which the month's
-- materialized partnership days were computed, and their number of changes does not show it: readers compute the days of such a
-- month from the rollup, until a rebuild of it has ended.
CREATE TABLE IF NOT EXISTS rollup_rebuilds_v1
(
    month String,
    begun SimpleAggregateFunction(max, UInt64),
    ended SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY month
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
