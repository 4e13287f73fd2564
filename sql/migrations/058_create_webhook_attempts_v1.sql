-- The delivery log: every attempt to deliver a message to an endpoint, and every request to send it again. A message is pending for an
-- endpoint until an attempt that was made for the newest request (`request`, 0 before the first) has ended its delivery. Rows are only
-- added, by any process: an attempt that two processes made is two rows, and a row that a crash loses is an attempt made once more under the
-- same webhook-id.
CREATE TABLE IF NOT EXISTS webhook_attempts_v1
(
    endpoint_id String,
    message_id  String,
    request     UInt32,
    at          DateTime64(3, 'UTC'),
    outcome     LowCardinality(String),
    http_status UInt16,
    detail      String,
    duration_ms UInt32,
    stored_at   DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (endpoint_id, message_id, at)
TTL stored_at + INTERVAL 500 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
