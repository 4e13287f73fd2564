-- The migrations that have been applied. sql/migrate.ts reads this table first. It rejects a database that holds a number this
-- code does not know, because newer code wrote it, and a migration whose statements no longer have the recorded `sha256`.
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
