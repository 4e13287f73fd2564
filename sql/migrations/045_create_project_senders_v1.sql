-- Which ingest keys sent events of which projects, as processes report it from time to time. It leads an operator from usage of a
-- project that nobody registered to the emitter that sends it. No bill depends on it.
CREATE TABLE IF NOT EXISTS project_senders_v1
(
    project_id    String,
    ingest_key_id String
)
ENGINE = ReplacingMergeTree
ORDER BY (project_id, ingest_key_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
