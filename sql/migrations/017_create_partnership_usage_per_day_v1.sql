-- A partner's day: the sum over its projects of the project's day (the greatest sample of a peak, the sum of a cumulative
-- metric), so that an answer need not go through all projects. A copy of what the rollup says, never a source: `changes` is
-- the number of usage_day_changes_v1 it was computed at, noted before the rollup was read. The row with the most changes
-- counts, so two that compute at once, or a late one, do no harm and need no fence.
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

-- The projects that the rows above hold: all that were created up to this time. It is written last. A project registered
-- since is added by the reader, day by day, until the days it has usage on are computed anew.
CREATE TABLE IF NOT EXISTS partnership_projects_kept_v1
(
    scope   LowCardinality(String),
    through SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY scope
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
