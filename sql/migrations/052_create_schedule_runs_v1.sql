-- The runs of schedules: one for each schedule and due time, claimed before anything is sent (step 1) and completed with its outcome
-- (step 2). Without the claim, two processes could each send a run under an id of its own. The newest scheduled run of a schedule says
-- through which time it has run, so the deletion of old rows leaves it.
CREATE TABLE IF NOT EXISTS schedule_runs_v1
(
    schedule_id String,
    due_at      DateTime64(3, 'UTC'),
    step        UInt8,
    kind        LowCardinality(String),
    state       LowCardinality(String),
    executed_at DateTime64(3, 'UTC'),
    status_code Nullable(UInt16),
    duration_ms UInt32,
    message     String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(step)
ORDER BY (schedule_id, due_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS schedule_runs_inbox_v1
(
    log         String,
    epoch       UInt64,
    owner       String,
    schedule_id String,
    due_ms      Int64,
    step        UInt8,
    kind        String,
    state       String,
    executed_ms Int64,
    status_code Nullable(UInt16),
    duration_ms UInt32,
    message     String
)
ENGINE = Null;

-- The lease of the fence is `schedules`: one process works at a time.
CREATE MATERIALIZED VIEW IF NOT EXISTS schedule_runs_mv_v1 TO schedule_runs_v1 AS
SELECT
    schedule_id,
    fromUnixTimestamp64Milli(due_ms, 'UTC') AS due_at,
    step, kind, state,
    fromUnixTimestamp64Milli(executed_ms, 'UTC') AS executed_at,
    status_code, duration_ms, message
FROM schedule_runs_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
