-- Manual adjustments are written through this inbox, under the lease of the partner's closings: an adjustment that is acknowledged
-- is on the next statement, and one id never names two different adjustments.
CREATE TABLE IF NOT EXISTS manual_adjustments_inbox_v1
(
    log        String,
    epoch      UInt64,
    owner      String,
    partner_id String,
    entry      String,
    for_month  String,
    project_id String,
    metric     String,
    value      Decimal(76, 9),
    reason     String
)
ENGINE = Null;

-- The fence: an adjustment that arrives late might replace one with the same id that has been billed, and would never be billed itself.
CREATE MATERIALIZED VIEW IF NOT EXISTS manual_adjustments_mv_v1 TO manual_adjustments_v1 AS
SELECT partner_id, entry, for_month, project_id, metric, value, reason, now64(3) AS created_at
FROM manual_adjustments_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
