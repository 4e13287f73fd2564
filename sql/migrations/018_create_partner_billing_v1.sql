-- The first month for which a partner gets a statement. Without a row, it is the month in which the partner was created. Earlier
-- months can be read as usage, but have no statement, are never closed and never adjusted. The greatest revision counts.
CREATE TABLE IF NOT EXISTS partner_billing_v1
(
    partner_id   String,
    revision     UInt64,
    billing_from String,
    written_at   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY partner_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS partner_billing_inbox_v1
(
    log          String,
    epoch        UInt64,
    owner        String,
    partner_id   String,
    revision     UInt64,
    billing_from String
)
ENGINE = Null;

-- The fence is that of the partner's closings: if the first month moved while another process closes one, there would be a
-- statement before the first month, or a month that is never billed.
CREATE MATERIALIZED VIEW IF NOT EXISTS partner_billing_mv_v1 TO partner_billing_v1 AS
SELECT partner_id, revision, billing_from, now64(3) AS written_at
FROM partner_billing_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
