-- Keys of the service itself, sealed with AES-256-GCM under MASTER_KEY: the pepper under which credentials are hashed. The first
-- row of a name wins: two processes that start at the same time must agree on one pepper, or each would reject the credentials
-- that the other one created.
CREATE TABLE IF NOT EXISTS sealed_keys_v1
(
    name       String,
    sealed     String,
    created_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (name, created_at, sealed)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
