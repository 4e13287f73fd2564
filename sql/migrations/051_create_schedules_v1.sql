-- Schedules that operators define, by their id. A change inserts a row with a greater revision; the greatest one counts. The definition
-- is JSON: when it is due, and what it calls or exports. Headers have the names of secrets, never their values. `requested` holds the
-- times at which somebody asked for a run that was not claimed yet. No bill depends on it.
CREATE TABLE IF NOT EXISTS schedules_v1
(
    schedule_id String,
    revision    UInt64,
    name        String,
    definition  String CODEC(ZSTD(1)),
    is_active   UInt8,
    is_deleted  UInt8,
    active_from DateTime64(3, 'UTC'),
    requested   Array(DateTime64(3, 'UTC')),
    created_at  DateTime64(3, 'UTC'),
    updated_at  DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY schedule_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS schedules_inbox_v1
(
    log            String,
    epoch          UInt64,
    owner          String,
    schedule_id    String,
    revision       UInt64,
    name           String,
    definition     String,
    is_active      UInt8,
    is_deleted     UInt8,
    active_from_ms Int64,
    requested_ms   Array(Int64),
    created_ms     Int64,
    updated_ms     Int64
)
ENGINE = Null;

-- The fence is that of the registry.
CREATE MATERIALIZED VIEW IF NOT EXISTS schedules_mv_v1 TO schedules_v1 AS
SELECT
    schedule_id, revision, name, definition, is_active, is_deleted,
    fromUnixTimestamp64Milli(active_from_ms, 'UTC') AS active_from,
    arrayMap(each -> fromUnixTimestamp64Milli(each, 'UTC'), requested_ms) AS requested,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(updated_ms, 'UTC') AS updated_at
FROM schedules_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
