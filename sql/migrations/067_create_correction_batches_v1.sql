-- A batch replaces the usage of a project and metric on some days of one month: its events are stored with `correction_batch`, and do not
-- count until one record of the log closes the batch. This table has what a batch is for; whether it is closed is in the log, and so in
-- usage_corrections_v1. A batch is never changed.
CREATE TABLE IF NOT EXISTS correction_batches_v1
(
    batch_id   String,
    revision   UInt64,
    project_id String,
    metric     LowCardinality(String),
    from_day   Date,
    to_day     Date,
    reason     String,
    created_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY batch_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS correction_batches_inbox_v1
(
    log        String,
    epoch      UInt64,
    owner      String,
    batch_id   String,
    revision   UInt64,
    project_id String,
    metric     String,
    from_day   Date,
    to_day     Date,
    reason     String,
    created_ms Int64
)
ENGINE = Null;

-- The fence: a batch is opened after its entry in the audit log, and by the process that wrote that entry.
CREATE MATERIALIZED VIEW IF NOT EXISTS correction_batches_mv_v1 TO correction_batches_v1 AS
SELECT batch_id, revision, project_id, metric, from_day, to_day, reason, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at
FROM correction_batches_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

-- The closing of a batch is stored as corrections: one of each event that it changes, and a row with an empty `corrects`, which says that the
-- batch is closed, also if nothing changed. All have the identity and the offset of the one record, and are in one part, so a
-- crash leaves all of them or none. `window_to` is the last day of the window, in that row alone; its first day is `usage_date`.
ALTER TABLE usage_corrections_v1
    ADD COLUMN IF NOT EXISTS correction_batch String CODEC(ZSTD(3)),
    ADD COLUMN IF NOT EXISTS window_to Date CODEC(ZSTD(3));

ALTER TABLE usage_corrections_inbox_v1
    ADD COLUMN IF NOT EXISTS correction_batch String,
    ADD COLUMN IF NOT EXISTS window_to Date;

ALTER TABLE usage_corrections_mv_v1 MODIFY QUERY
SELECT
    project_id, corrects, revision, event_id, usage_date, metric, action, value, reason, added_total, added_voided, log,
    18446744073709551615 - offset AS rank,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at,
    labels, correction_batch, window_to
FROM usage_corrections_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

-- An event of a batch begins as one that is voided: it adds a row of raw, and nothing that counts. It adds 1 to `corrections`, so that readers
-- know that the numbers of its cell are not those of its events alone.
ALTER TABLE project_usage_per_day_mv_v1 MODIFY QUERY
SELECT
    project_id,
    usage_date,
    metric,
    log,
    labels,
    maxIf(value, correction_batch = '') AS peak,
    sumIf(toDecimal256(value, 9), correction_batch = '') AS total,
    toInt64(count()) AS events,
    max(timestamp) AS last_event_at,
    toInt64(countIf(correction_batch != '')) AS corrections,
    toInt64(countIf(correction_batch != '')) AS voided
FROM raw_usage_events_v1
GROUP BY project_id, usage_date, metric, log, labels;
