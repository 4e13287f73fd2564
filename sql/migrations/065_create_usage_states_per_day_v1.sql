-- A project's day in the metrics of the kinds `last` and `unique`: its latest sample, and the different texts. Neither is a maximum or a sum of
-- values, so the rollup does not have it. Always read it with GROUP BY. Both states can be added again without harm, so no row needs a
-- fence. The writer of a log adds them from raw after the rows of a batch, and what a crash has left out is added by reconciling. A view on
-- raw would do the same, and cost every batch of other metrics a tenth of its time. Without a state a day would be shown too low.
-- `last` is one number, 64 bits of timestamp in ms, 64 of offset and 128 of value in billionths: its maximum is the latest sample by timestamp,
-- on ties by offset. A tuple would not do: merges take the maximum of each element, which is a sample that was never sent.
CREATE TABLE IF NOT EXISTS usage_states_per_day_v1
(
    project_id     String,
    usage_date     Date,
    metric         LowCardinality(String),
    labels         String,
    last           SimpleAggregateFunction(max, UInt256),
    distinct_texts AggregateFunction(uniqExact, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(usage_date)
ORDER BY (project_id, usage_date, metric, labels)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The rollup records a change of the day before the state is stored. What was computed in between would pass as current, and a
-- threshold would not be evaluated again.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_states_day_changes_mv_v1 TO usage_day_changes_v1 AS
SELECT usage_date, count() AS changes
FROM usage_states_per_day_v1
GROUP BY usage_date;

-- A rebuild computes a month's states here, and then moves them by REPLACE PARTITION. No answer is read from it.
CREATE TABLE IF NOT EXISTS rebuilt_usage_states_per_day_v1
(
    project_id     String,
    usage_date     Date,
    metric         LowCardinality(String),
    labels         String,
    last           SimpleAggregateFunction(max, UInt256),
    distinct_texts AggregateFunction(uniqExact, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(usage_date)
ORDER BY (project_id, usage_date, metric, labels)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
