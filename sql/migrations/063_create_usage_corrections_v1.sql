-- Corrections of events: void (the event no longer counts) or amend (it counts with another value). Raw keeps the event as it was
-- sent; its effective value is that of the correction with the highest `revision`. `usage_date` and `metric` are those of the event,
-- so all corrections of one event are in one partition, and those of one batch in one part: stored apart, the second difference would
-- start from a value that never counted. Rows are never dropped: bills are recounted from raw and from this table.
CREATE TABLE IF NOT EXISTS usage_corrections_v1
(
    project_id   String CODEC(ZSTD(3)),
    corrects     String CODEC(ZSTD(3)),
    revision     UInt64,
    event_id     String CODEC(ZSTD(3)),
    usage_date   Date,
    metric       LowCardinality(String),
    action       LowCardinality(String),
    value        Decimal(38, 9),
    reason       String CODEC(ZSTD(3)),
    added_total  Decimal(76, 9),
    added_voided Int64,
    log          LowCardinality(String),
    rank         UInt64,
    offset       UInt64 ALIAS 18446744073709551615 - rank,
    received_at  DateTime64(3, 'UTC'),
    INDEX rank_range rank TYPE minmax
)
ENGINE = ReplacingMergeTree(rank)
PARTITION BY toYYYYMM(usage_date)
ORDER BY (project_id, corrects, revision, event_id)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- A correction is an event of its log, with an identity, an offset and a fencing token of its own. `added_total` is the effective value
-- after it less that before; `added_voided` is 1 for a void, -1 for the amendment of a voided event, else 0.
CREATE TABLE IF NOT EXISTS usage_corrections_inbox_v1
(
    log          LowCardinality(String),
    epoch        UInt64,
    owner        LowCardinality(String),
    offset       UInt64,
    project_id   String,
    corrects     String,
    revision     UInt64,
    event_id     String,
    usage_date   Date,
    metric       LowCardinality(String),
    action       LowCardinality(String),
    value        Decimal(38, 9),
    reason       String,
    added_total  Decimal(76, 9),
    added_voided Int64,
    received_ms  Int64
)
ENGINE = Null;

-- The fence: a late correction of a replaced owner would add its difference on top of its successor's.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_corrections_mv_v1 TO usage_corrections_v1 AS
SELECT
    project_id, corrects, revision, event_id, usage_date, metric, action, value, reason, added_total, added_voided, log,
    18446744073709551615 - offset AS rank,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at
FROM usage_corrections_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

-- `events` of the rollup remains the number of rows of raw, and `peak` the greatest value as sent. The number of events that count is
-- events - voided. A sum of `corrections` above 0 says that the peak of a cell must be folded from raw: a maximum has no inverse.
ALTER TABLE project_usage_per_day_v1
    ADD COLUMN IF NOT EXISTS corrections SimpleAggregateFunction(sum, Int64),
    ADD COLUMN IF NOT EXISTS voided SimpleAggregateFunction(sum, Int64);

ALTER TABLE rebuilt_usage_per_day_v1
    ADD COLUMN IF NOT EXISTS corrections SimpleAggregateFunction(sum, Int64),
    ADD COLUMN IF NOT EXISTS voided SimpleAggregateFunction(sum, Int64);

-- Adds each correction's differences in the insert that stores it.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_corrections_rollup_mv_v1 TO project_usage_per_day_v1 AS
SELECT
    project_id, usage_date, metric, log,
    sum(added_total) AS total,
    toInt64(count()) AS corrections,
    sum(added_voided) AS voided
FROM usage_corrections_v1
GROUP BY project_id, usage_date, metric, log;

-- Corrections share one space of identities with events. Without its hash, a correction that is sent again would count again.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_corrections_identity_mv_v1 TO identity_hashes_v1 AS
SELECT
    murmurHash3_32(concat(project_id, '\x1F', event_id)) * 2097152 + bitShiftRight(murmurHash2_32(concat(project_id, '\x1F', event_id)), 11) AS hash,
    bitAnd(kafkaMurmurHash(project_id), 2147483647) AS project,
    toStartOfMonth(usage_date) AS month
FROM usage_corrections_v1;

-- Reconciling adds differences of these columns too.
ALTER TABLE rollup_differences_inbox_v1
    ADD COLUMN IF NOT EXISTS corrections Int64,
    ADD COLUMN IF NOT EXISTS voided Int64;

ALTER TABLE rollup_differences_mv_v1 MODIFY QUERY
SELECT
    project_id, usage_date, metric, log, peak, total, events, corrections, voided,
    fromUnixTimestamp64Milli(last_event_ms, 'UTC') AS last_event_at
FROM rollup_differences_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
