-- The region of a line's project as it was when the month was closed: a FOCUS export of a closed month must stay the same when the
-- project moves. It is empty on lines that were written before this column existed. The canonical form of a line does not have it.
ALTER TABLE statement_lines_v1 ADD COLUMN IF NOT EXISTS region LowCardinality(String) DEFAULT '';

ALTER TABLE statement_lines_inbox_v1 ADD COLUMN IF NOT EXISTS region String DEFAULT '';

-- The fence: as in 035.
ALTER TABLE statement_lines_mv_v1 MODIFY QUERY
SELECT partner_id, closing, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, reason, region
FROM statement_lines_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

ALTER TABLE export_rows_v1 ADD COLUMN IF NOT EXISTS region LowCardinality(String) DEFAULT '';
