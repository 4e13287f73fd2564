-- Which projects exist, whose they are and in what state. A deleted project keeps its row for ever, because its usage is
-- still billed. Rows change by a new revision; the greatest one counts.
CREATE TABLE IF NOT EXISTS projects_v1
(
    project_id     String,
    revision       UInt64,
    partner_id     String,
    account_id     String,
    name           String,
    status         LowCardinality(String),
    region         LowCardinality(String),
    instance_type  LowCardinality(String),
    access_host    String,
    sealed_api_key String,
    created_at     DateTime64(3, 'UTC'),
    deleted_at     Nullable(DateTime64(3, 'UTC')),
    INDEX partner partner_id TYPE bloom_filter
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY project_id
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS projects_inbox_v1
(
    log            String,
    epoch          UInt64,
    owner          String,
    project_id     String,
    revision       UInt64,
    partner_id     String,
    account_id     String,
    name           String,
    status         String,
    region         String,
    instance_type  String,
    access_host    String,
    sealed_api_key String,
    created_ms     Int64,
    deleted_ms     Nullable(Int64)
)
ENGINE = Null;

-- The fence: names are unique among a partner's living projects and an id belongs to one partner, so a change decided
-- on what another process has changed since must not land.
CREATE MATERIALIZED VIEW IF NOT EXISTS projects_mv_v1 TO projects_v1 AS
SELECT
    project_id, revision, partner_id, account_id, name, status, region, instance_type, access_host, sealed_api_key,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(deleted_ms, 'UTC') AS deleted_at
FROM projects_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
