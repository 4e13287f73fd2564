-- Where a month's rollup is counted anew from raw before it takes the old one's place, by REPLACE PARTITION. That demands the
-- same columns, partition key and sorting key as project_usage_per_day_v1: a change of that table is one of this, too. Nobody
-- reads it for an answer. What an earlier rebuild left in it would be added to the next one's sums, so it is emptied first.
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

-- Which months were rebuilt, each rebuild of a month by its number. One that was begun and not ended may have left another
-- rollup than the month's kept partnership days were computed from, and their number of changes does not tell: readers compute
-- the days of such a month themselves, until a rebuild of it has ended.
CREATE TABLE IF NOT EXISTS rollup_rebuilds_v1
(
    month String,
    begun SimpleAggregateFunction(max, UInt64),
    ended SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY month
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
