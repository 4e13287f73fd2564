-- The days on which an event log sent a heartbeat while the clock of its host and that of the store agreed to within five minutes.
-- They are the evidence that time has passed: without it, a clock that jumps ahead would close the running month, and a closed
-- month never changes.
CREATE TABLE IF NOT EXISTS heartbeat_days_v1
(
    day Date
)
ENGINE = ReplacingMergeTree
ORDER BY day
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The first heartbeat of a day writes a row, and the others write nothing.
CREATE MATERIALIZED VIEW IF NOT EXISTS heartbeat_days_mv_v1 TO heartbeat_days_v1 AS
SELECT toDate(newest.written_at) AS day
FROM log_watermarks_v2
WHERE abs(toUnixTimestamp64Milli(newest.written_at) - toUnixTimestamp64Milli(newest.host_at)) <= 300000
  AND toDate(newest.written_at) NOT IN (SELECT day FROM heartbeat_days_v1);

-- Before there were heartbeat days: each audit of a day shows that the service ran on the day of the audit.
INSERT INTO heartbeat_days_v1 (day)
SELECT DISTINCT toDate(audited_at) FROM day_audits_v1;
