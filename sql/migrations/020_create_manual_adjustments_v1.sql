-- Manual adjustments, which operators add to the next statement of a partner: a wrong event cannot be deleted, but its bill can
-- be corrected. Rows never change; the lines of the statements say which of them have been billed.
CREATE TABLE IF NOT EXISTS manual_adjustments_v1
(
    partner_id String,
    entry      String,
    for_month  String,
    project_id String,
    metric     LowCardinality(String),
    value      Decimal(76, 9),
    reason     String,
    created_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (partner_id, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
