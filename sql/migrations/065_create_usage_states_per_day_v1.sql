-- A project's day in the metrics of the kinds `last` and `unique`: its latest sample, and the different texts. Neither is a maximum or a sum of
-- values, so the rollup does not have it. Always read it with GROUP BY. Both states can be added again without harm, so no row needs a
-- fence, and what a crash has left out is added from raw by reconciling. Without a state a day would be billed too low.
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

-- Adds the rows of these kinds that are inserted into raw; of all others it writes nothing. An event of a batch that replaces a window does not
-- count before its batch is closed, and then its day has corrections, so it is folded from raw.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_states_per_day_mv_v1 TO usage_states_per_day_v1 AS
SELECT
    project_id, usage_date, metric, labels,
    max(bitShiftLeft(toUInt256(toUnixTimestamp64Milli(timestamp)), 192) + bitShiftLeft(toUInt256(bitNot(rank)), 128) + toUInt256(reinterpretAsInt128(value))) AS last,
    uniqExactStateIf(text, text != '') AS distinct_texts
FROM raw_usage_events_v1
WHERE metric IN (SELECT metric FROM metrics_v1 WHERE kind IN ('last', 'unique')) AND correction_batch = ''
GROUP BY project_id, usage_date, metric, labels;

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
