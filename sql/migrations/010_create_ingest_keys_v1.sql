-- The keys of emitters, which may send events. They are hashed like a partner's secret.
CREATE TABLE IF NOT EXISTS ingest_keys_v1
(
    hash       String,
    key_id     String,
    revision   UInt64,
    name       String,
    last_four  String,
    created_at DateTime64(3, 'UTC'),
    revoked_at Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY hash
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
