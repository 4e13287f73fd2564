-- Partners: API callers that are billed. A change inserts a row with a greater revision; the greatest revision counts.
CREATE TABLE IF NOT EXISTS partners_v1
(
    partner_id String,
    revision   UInt64,
    name       String,
    mode       LowCardinality(String),
    created_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY partner_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The secrets of partners, as HMAC-SHA-256 under the sealed pepper. The secret itself is shown once and never stored.
CREATE TABLE IF NOT EXISTS partner_secrets_v1
(
    partner_id String,
    secret_id  String,
    revision   UInt64,
    hash       String,
    last_four  String,
    created_at DateTime64(3, 'UTC'),
    expires_at Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (partner_id, secret_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
