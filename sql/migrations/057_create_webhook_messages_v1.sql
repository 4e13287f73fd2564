-- What is to be sent to endpoints, once each: the id of a message is a hash of what it is about, and is sent as webhook-id. A message is
-- one row, with its receivers and, if it is about a threshold, the state that the level has from then on (subject: the threshold, part:
-- the level, month, number of the transition, state). So a transition cannot be stored without its message, nor a message without
-- its transition: a crash between two rows would lose one or send one twice. Time of storage by the engine's clock.
CREATE TABLE IF NOT EXISTS webhook_messages_v1
(
    message_id   String,
    type         LowCardinality(String),
    partner_id   String,
    endpoint_ids Array(String),
    body         String,
    created_at   DateTime64(3, 'UTC'),
    subject      String,
    part         String,
    month        String,
    number       UInt64,
    state        LowCardinality(String),
    stored_at    DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY (subject, month, message_id)
TTL stored_at + INTERVAL 500 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS webhook_messages_inbox_v1
(
    log          String,
    epoch        UInt64,
    owner        String,
    message_id   String,
    type         String,
    partner_id   String,
    endpoint_ids Array(String),
    body         String,
    created_ms   Int64,
    subject      String,
    part         String,
    month        String,
    number       UInt64,
    state        String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS webhook_messages_mv_v1 TO webhook_messages_v1 AS
SELECT message_id, type, partner_id, endpoint_ids, body, fromUnixTimestamp64Milli(created_ms, 'UTC') AS created_at, subject, part, month, number, state
FROM webhook_messages_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
