-- When each credential was last used, as processes report it from time to time. No decision depends on it.
CREATE TABLE IF NOT EXISTS credential_uses_v1
(
    credential_id String,
    used_at       SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY credential_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
