-- Projects, the partner that each belongs to, and their state. A deleted project keeps its row permanently, because its usage is
-- still billed. A change inserts a row with a greater revision; the greatest revision counts.
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

-- The fence: it rejects a change that was decided before another process changed the registry. Otherwise two active projects of
-- a partner could get one name, and a project could be given to a second partner, which would then be billed for its usage.
CREATE MATERIALIZED VIEW IF NOT EXISTS projects_mv_v1 TO projects_v1 AS
SELECT
    project_id, revision, partner_id, account_id, name, status, region, instance_type, access_host, sealed_api_key,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(deleted_ms, 'UTC') AS deleted_at
FROM projects_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
