-- What an event may have beside its value. `labels`: the declared dimensions, as JSON text with sorted keys. `text`: the value of an event
-- of a metric that counts distinct texts; its decimal value is 0. `correction_batch`: the batch under which the event was sent to replace others;
-- it does not count until that batch is closed. Ordinary events have none of them.
ALTER TABLE raw_usage_events_v1
    ADD COLUMN IF NOT EXISTS labels String CODEC(ZSTD(3)),
    ADD COLUMN IF NOT EXISTS text String CODEC(ZSTD(3)),
    ADD COLUMN IF NOT EXISTS correction_batch LowCardinality(String) CODEC(ZSTD(3));

ALTER TABLE usage_events_inbox_v1
    ADD COLUMN IF NOT EXISTS labels String,
    ADD COLUMN IF NOT EXISTS text String,
    ADD COLUMN IF NOT EXISTS correction_batch LowCardinality(String);

ALTER TABLE raw_usage_events_mv_v1 MODIFY QUERY
SELECT
    project_id,
    event_id,
    toDate(fromUnixTimestamp64Milli(timestamp_ms, 'UTC')) AS usage_date,
    metric,
    fromUnixTimestamp64Milli(timestamp_ms, 'UTC') AS timestamp,
    value,
    log,
    18446744073709551615 - offset AS rank,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at,
    labels,
    text,
    correction_batch
FROM usage_events_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

-- The rollup has one row for each set of labels. A day is the sum, or the greatest, over its sets: readers group by project, day and metric,
-- so a total and its parts cannot differ.
ALTER TABLE project_usage_per_day_v1
    ADD COLUMN IF NOT EXISTS labels String,
    MODIFY ORDER BY (project_id, usage_date, metric, log, labels);

ALTER TABLE rebuilt_usage_per_day_v1
    ADD COLUMN IF NOT EXISTS labels String,
    MODIFY ORDER BY (project_id, usage_date, metric, log, labels);

ALTER TABLE project_usage_per_day_mv_v1 MODIFY QUERY
SELECT
    project_id,
    usage_date,
    metric,
    log,
    labels,
    max(value) AS peak,
    sum(toDecimal256(value, 9)) AS total,
    toInt64(count()) AS events,
    max(timestamp) AS last_event_at
FROM raw_usage_events_v1
GROUP BY project_id, usage_date, metric, log, labels;

-- A correction has the labels of the event that it corrects, so its difference goes to the same row of the rollup.
ALTER TABLE usage_corrections_v1
    ADD COLUMN IF NOT EXISTS labels String CODEC(ZSTD(3));

ALTER TABLE usage_corrections_inbox_v1
    ADD COLUMN IF NOT EXISTS labels String;

ALTER TABLE usage_corrections_mv_v1 MODIFY QUERY
SELECT
    project_id, corrects, revision, event_id, usage_date, metric, action, value, reason, added_total, added_voided, log,
    18446744073709551615 - offset AS rank,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at,
    labels
FROM usage_corrections_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE usage_corrections_rollup_mv_v1 MODIFY QUERY
SELECT
    project_id, usage_date, metric, log, labels,
    sum(added_total) AS total,
    toInt64(count()) AS corrections,
    sum(added_voided) AS voided
FROM usage_corrections_v1
GROUP BY project_id, usage_date, metric, log, labels;

ALTER TABLE rollup_differences_inbox_v1
    ADD COLUMN IF NOT EXISTS labels String;

ALTER TABLE rollup_differences_mv_v1 MODIFY QUERY
SELECT
    project_id, usage_date, metric, log, labels, peak, total, events, corrections, voided,
    fromUnixTimestamp64Milli(last_event_ms, 'UTC') AS last_event_at
FROM rollup_differences_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
