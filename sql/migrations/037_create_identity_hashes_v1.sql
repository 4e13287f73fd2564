-- The identities of raw, as hashes: a duplicate is looked up here first, which costs what is found and not what is stored. It is not
-- partitioned, so a look-up does not search every month. An identity of raw that is missing here would pass as new, and its duplicate
-- would be billed. A row too many costs a look-up in raw. So rows are only ever added, and there are never fewer than in raw.
-- `project` is the hash by which Kafka's partitions are chosen; `month` is where raw stores the event. Random hashes are looked up one
-- by one, so granules and blocks are small, and hashes are not compressed: a look-up reads 4 KB.
CREATE TABLE IF NOT EXISTS identity_hashes_v1
(
    hash    UInt64 CODEC(NONE),
    project UInt32 CODEC(ZSTD(1)),
    month   Date CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY hash
SETTINGS index_granularity = 512, min_compress_block_size = 4096, fsync_after_insert = 1, fsync_part_directory = 1;

-- A crash between raw's part and this one leaves raw without its hashes, so the next owner of a log adds those of its in-doubt range
-- before it looks anything up.
CREATE MATERIALIZED VIEW IF NOT EXISTS identity_hashes_mv_v1 TO identity_hashes_v1 AS
SELECT
    murmurHash3_32(concat(project_id, '\x1F', event_id)) * 2097152 + bitShiftRight(murmurHash2_32(concat(project_id, '\x1F', event_id)), 11) AS hash,
    bitAnd(kafkaMurmurHash(project_id), 2147483647) AS project,
    toStartOfMonth(usage_date) AS month
FROM raw_usage_events_v1;

-- The months of which the hashes of all events that were stored before the view are added, as YYYYMM. 0 stands for all months: only then
-- an absent hash means an absent event.
CREATE TABLE IF NOT EXISTS identity_hash_months_v1
(
    month   UInt32,
    done_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY month
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
