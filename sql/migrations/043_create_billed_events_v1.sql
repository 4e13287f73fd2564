-- How many events of a partner each closing billed for a month, of the months that it recounted. A closed month in which the partner
-- has as many events now has nothing to bill, so that the next closing need not recount it, whatever other partners sent. Rows of a
-- closing without a header (statements_v1) are never read, so they need no fence.
CREATE TABLE IF NOT EXISTS billed_events_v1
(
    partner_id String,
    closing    String,
    month      LowCardinality(String),
    events     Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (partner_id, closing, month)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

INSERT INTO billed_events_v1 (partner_id, closing, month, events)
SELECT partner_id, closing, month, sum(arraySum(events)) AS events FROM statement_recounts_v1 GROUP BY partner_id, closing, month;
