-- Where the rejected events of one ingest key are found: an emitter lists its own, and without this table each list would read
-- the rejected events of all emitters. Only the places are stored; the events are read from rejected_events_v1 by (log, offset),
-- which is its key. A crash between the two tables leaves an event that its emitter does not see in its list until it is written
-- again: without Kafka by the emitter's retry, with Kafka when its batch is reconciled. Only one that the store itself refused from
-- the topic is not written again; the list of operators always has it.
CREATE TABLE IF NOT EXISTS rejected_events_by_key_v1
(
    ingest_key_id String,
    received_at   DateTime64(3, 'UTC'),
    log           LowCardinality(String),
    offset        UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (ingest_key_id, received_at, log, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS rejected_events_by_key_mv_v1 TO rejected_events_by_key_v1 AS
SELECT ingest_key_id, received_at, log, offset FROM rejected_events_v1;

-- The events that were rejected before this table existed. Running it again adds nothing: equal rows replace each other.
INSERT INTO rejected_events_by_key_v1 (ingest_key_id, received_at, log, offset)
SELECT ingest_key_id, received_at, log, offset FROM rejected_events_v1;
