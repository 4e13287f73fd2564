-- How often a usage day has changed, over all projects. The number only grows, and a figure computed from a day stays correct
-- while the number is the same. A day without a row has no events. `kept` is the number of changes through which the day's
-- materialized rows (partnership_usage_per_day_v1) are complete for all partners; it is written after them.
CREATE TABLE IF NOT EXISTS usage_day_changes_v1
(
    usage_date Date,
    changes    SimpleAggregateFunction(sum, UInt64),
    kept       SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY usage_date
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The rollup feeds it, so a change is counted after the rollup holds it, and so is a repair. A reader that reads the number first
-- and the rollup second sees at least the changes that the number stands for. A crash between the two inserts would leave a
-- changed day under its old number, and its old total would still be billed. So reconciling a log counts a change for every day
-- of its in-doubt range.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_day_changes_mv_v1 TO usage_day_changes_v1 AS
SELECT usage_date, count() AS changes
FROM project_usage_per_day_v1
GROUP BY usage_date;
