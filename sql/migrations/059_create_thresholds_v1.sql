-- Values at which usage of a month is notified. `set_by` is the partner that set it, empty for operators, and no other caller may see it.
-- `project_id` is empty when the usage of the whole partner counts. Levels and budget are exact decimals as text, in JSON. The greatest
-- revision of a threshold counts; a removed one stays, because messages name it.
CREATE TABLE IF NOT EXISTS thresholds_v1
(
    threshold_id String,
    revision     UInt64,
    set_by       String,
    partner_id   String,
    project_id   String,
    metric       LowCardinality(String),
    levels       String,
    budget       String,
    is_active    UInt8,
    created_at   DateTime64(3, 'UTC'),
    updated_at   DateTime64(3, 'UTC'),
    removed_at   Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY threshold_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS thresholds_inbox_v1
(
    log          String,
    epoch        UInt64,
    owner        String,
    threshold_id String,
    revision     UInt64,
    set_by       String,
    partner_id   String,
    project_id   String,
    metric       String,
    levels       String,
    budget       String,
    is_active    UInt8,
    created_ms   Int64,
    updated_ms   Int64,
    removed_ms   Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS thresholds_mv_v1 TO thresholds_v1 AS
SELECT
    threshold_id, revision, set_by, partner_id, project_id, metric, levels, budget, is_active,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(updated_ms, 'UTC') AS updated_at,
    fromUnixTimestamp64Milli(removed_ms, 'UTC') AS removed_at
FROM thresholds_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
