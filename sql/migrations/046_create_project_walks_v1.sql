-- The rest of a list of projects, from the second page on, in the order that it had then. Names and usage change while a caller reads
-- page by page: sorted again for each page, a project could be missed, or be listed twice. `walk` is random. Rows are dropped after a
-- day, and the caller then has to begin again.
CREATE TABLE IF NOT EXISTS project_walks_v1
(
    partner_id String,
    walk       String,
    place      UInt64,
    project_id String,
    started_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toStartOfHour(started_at)
ORDER BY (partner_id, walk, place)
TTL started_at + INTERVAL 1 DAY
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1;
