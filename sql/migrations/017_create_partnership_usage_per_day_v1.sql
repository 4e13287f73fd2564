-- The usage of a partner per day and metric: the sum over its projects of the project's day (the greatest sample of a peak metric,
-- the sum of a cumulative one), so that an answer does not read every project. It is computed from the rollup and never a
-- source: `changes` is the number of usage_day_changes_v1 for which it was computed, read before the rollup was read. The row
-- with the most changes counts, so concurrent or late computations do no harm and need no fence.
CREATE TABLE IF NOT EXISTS partnership_usage_per_day_v1
(
    partner_id String,
    usage_date Date,
    metric     LowCardinality(String),
    newest     SimpleAggregateFunction(max, Tuple(changes UInt64, as_of DateTime64(3, 'UTC'), value Decimal(76, 9), events Int64))
)
ENGINE = AggregatingMergeTree
ORDER BY (partner_id, usage_date, metric)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The projects that the rows above include: all that were created up to this time. It is written last. Readers add the usage of
-- projects created later, day by day, until the days on which these have usage are computed again.
CREATE TABLE IF NOT EXISTS partnership_projects_kept_v1
(
    scope   LowCardinality(String),
    through SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY scope
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
