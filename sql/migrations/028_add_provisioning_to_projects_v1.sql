-- `wanted_status` is the state requested from the platform as of revision `wanted_revision`; the platform has confirmed everything up to
-- `provisioned_revision`. A project whose provisioned revision is below the wanted one has still to be delivered: this table is
-- the queue. `revision` counts every row of a project, including those that record the platform's answer, which need no delivery.
-- Rows from before this migration were never delivered and need not be, so by default the revisions are equal.
ALTER TABLE projects_v1 ADD COLUMN IF NOT EXISTS wanted_status LowCardinality(String) DEFAULT status;

ALTER TABLE projects_v1 ADD COLUMN IF NOT EXISTS wanted_revision UInt64 DEFAULT revision;

ALTER TABLE projects_v1 ADD COLUMN IF NOT EXISTS provisioned_revision UInt64 DEFAULT revision;

-- projects_inbox_v2 exists beside projects_inbox_v1, because a process of the previous version may still write through that one.
CREATE TABLE IF NOT EXISTS projects_inbox_v2
(
    log                  String,
    epoch                UInt64,
    owner                String,
    project_id           String,
    revision             UInt64,
    partner_id           String,
    account_id           String,
    name                 String,
    status               String,
    wanted_status        String,
    wanted_revision      UInt64,
    provisioned_revision UInt64,
    region               String,
    instance_type        String,
    access_host          String,
    sealed_api_key       String,
    created_ms           Int64,
    deleted_ms           Nullable(Int64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS projects_mv_v2 TO projects_v1 AS
SELECT
    project_id, revision, partner_id, account_id, name, status, wanted_status, wanted_revision, provisioned_revision, region,
    instance_type, access_host, sealed_api_key,
    fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at,
    fromUnixTimestamp64Milli(deleted_ms, 'UTC') AS deleted_at
FROM projects_inbox_v2
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
