-- How often something of a day was stored, whatever the project: what was computed of a day at one number of changes is
-- still right while the number is the same. It only grows. A day without a row has no events. `kept` is the number at which the
-- day's partnership rows (partnership_usage_per_day_v1) are whole, for all partners; it is written after them.
CREATE TABLE IF NOT EXISTS usage_day_changes_v1
(
    usage_date Date,
    changes    SimpleAggregateFunction(sum, UInt64),
    kept       SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY usage_date
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Fed by the rollup itself, so a change is noted after the rollup holds it, also when a repair changed it: whoever notes
-- the number first and reads the rollup then has at least what the number stands for. A crash between the two would leave
-- a changed day under its old number; so settling a log notes a change of every day of its last range.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_day_changes_mv_v1 TO usage_day_changes_v1 AS
SELECT usage_date, count() AS changes
FROM project_usage_per_day_v1
GROUP BY usage_date;
