-- The catalogue of metrics. `kind` decides how samples and days combine. Once an event has counted under a metric, kind and unit never
-- change, because every total of it would change with them. The greatest revision counts. `display` is the name for people.
CREATE TABLE IF NOT EXISTS metrics_v1
(
    metric      String,
    revision    UInt64,
    kind        LowCardinality(String),
    unit        String,
    description String,
    display     String,
    created_at  DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY metric
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS metrics_inbox_v1
(
    log         String,
    epoch       UInt64,
    owner       String,
    metric      String,
    revision    UInt64,
    kind        String,
    unit        String,
    description String,
    display     String,
    created_ms  Int64
)
ENGINE = Null;

-- The fence: two processes that define one name at the same time would otherwise both believe that their definition counts.
CREATE MATERIALIZED VIEW IF NOT EXISTS metrics_mv_v1 TO metrics_v1 AS
SELECT metric, revision, kind, unit, description, display, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at
FROM metrics_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

-- The documented metrics. They exist in every installation and cannot be changed.
INSERT INTO metrics_v1 (metric, revision, kind, unit, description, display, created_at)
SELECT
    documented.1 AS metric, 1 AS revision, documented.2 AS kind, documented.3 AS unit, documented.4 AS description, documented.5 AS display,
    toDateTime64(0, 3, 'UTC') AS created_at
FROM
(
    SELECT arrayJoin([
        ('database_size_bytes', 'peak', 'byte', 'Size of the database.', 'Database size'),
        ('file_storage_bytes', 'peak', 'byte', 'Size of the stored files.', 'File storage'),
        ('ai_tokens', 'cumulative', 'token', 'Tokens that AI models read and wrote.', 'AI tokens'),
        ('mcp_calls', 'cumulative', 'call', 'Calls of MCP tools.', 'MCP calls'),
        ('egress_bytes', 'cumulative', 'byte', 'Bytes sent out.', 'Egress'),
        ('ai_credits', 'cumulative', 'credit', 'Credits spent on AI.', 'AI credits'),
        ('email_requests', 'cumulative', 'request', 'Requests to send email.', 'Email requests'),
        ('function_calls', 'cumulative', 'call', 'Calls of functions.', 'Function calls'),
        ('ec2_compute', 'cumulative', 'second', 'Seconds of compute.', 'EC2 compute')
    ]) AS documented
);
