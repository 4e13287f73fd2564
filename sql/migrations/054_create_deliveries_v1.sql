-- The files that schedules deliver: for each schedule and subject, such as "focus/month=2026-10/all", the revisions in order. A
-- revision is recorded before its first byte is sent (step 1), and again when its manifest was delivered (step 2). Without the first
-- record, a delivery that a crash interrupted and the next one could be two contents under one revision.
CREATE TABLE IF NOT EXISTS deliveries_v1
(
    schedule_id  String,
    subject      String,
    revision     UInt64,
    step         UInt8,
    name         String,
    status       LowCardinality(String),
    sha256       String,
    bytes        UInt64,
    changes      UInt64,
    delivered_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(step)
ORDER BY (schedule_id, subject, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS deliveries_inbox_v1
(
    log          String,
    epoch        UInt64,
    owner        String,
    schedule_id  String,
    subject      String,
    revision     UInt64,
    step         UInt8,
    name         String,
    status       String,
    sha256       String,
    bytes        UInt64,
    changes      UInt64,
    delivered_ms Int64
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS deliveries_mv_v1 TO deliveries_v1 AS
SELECT schedule_id, subject, revision, step, name, status, sha256, bytes, changes, fromUnixTimestamp64Milli(delivered_ms, 'UTC') AS delivered_at
FROM deliveries_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
