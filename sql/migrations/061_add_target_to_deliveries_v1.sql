-- Where a revision was delivered to: the folder, or the URL without its query, which is a credential in a pre-signed URL. The schedule
-- may deliver elsewhere by now. It is empty on revisions that were written before this column existed.
ALTER TABLE deliveries_v1 ADD COLUMN IF NOT EXISTS target String DEFAULT '';

ALTER TABLE deliveries_inbox_v1 ADD COLUMN IF NOT EXISTS target String DEFAULT '';

-- The fence: as in 054.
ALTER TABLE deliveries_mv_v1 MODIFY QUERY
SELECT schedule_id, subject, revision, step, name, status, sha256, bytes, changes, fromUnixTimestamp64Milli(delivered_ms, 'UTC') AS delivered_at, target
FROM deliveries_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
