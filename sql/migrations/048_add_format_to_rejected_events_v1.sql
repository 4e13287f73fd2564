-- How the bytes of a rejected event are read, json or cloudevent, so that a resend gives them the verdict that they got when they
-- arrived. Without it the format would be guessed, and an event could be billed that its sender has meanwhile corrected and sent again.
-- It is empty for events that were rejected before, and for those that a process of an earlier version writes; they are read as json.
ALTER TABLE rejected_events_v1 ADD COLUMN IF NOT EXISTS format LowCardinality(String) DEFAULT '';

ALTER TABLE rejected_events_inbox_v1 ADD COLUMN IF NOT EXISTS format LowCardinality(String) DEFAULT '';

ALTER TABLE rejected_events_mv_v1 MODIFY QUERY
SELECT
    log, offset, reason, message, project_id, event_id, ingest_key_id,
    fromUnixTimestamp64Milli(received_ms, 'UTC') AS received_at,
    base64Decode(original_base64) AS original,
    format
FROM rejected_events_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
