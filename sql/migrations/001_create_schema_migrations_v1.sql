-- Which of these files have been applied. Read by sql/migrate.ts before anything else; a database that holds a number
-- this code does not know was written by newer code and is refused.
CREATE TABLE IF NOT EXISTS schema_migrations_v1
(
    number     UInt32,
    name       String,
    sha256     String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
