-- The keys of the labels that a metric declares. Once declared they never change: processes that count events cache them, and events
-- are stored with the labels that were declared when they came. None in the definitions so far.
ALTER TABLE metrics_v1 ADD COLUMN IF NOT EXISTS labels Array(String);

ALTER TABLE metrics_inbox_v1 ADD COLUMN IF NOT EXISTS labels Array(String);

ALTER TABLE metrics_mv_v1 MODIFY QUERY
SELECT metric, revision, kind, unit, description, display, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at, labels
FROM metrics_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
