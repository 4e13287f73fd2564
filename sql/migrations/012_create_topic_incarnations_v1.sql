-- The incarnations of each topic. `topic` is cluster/topic; a log is topic/incarnation/partition. The partition count is pinned
-- here, because an event counts only in its project's own partition: murmur2(project_id) mod `partitions`. `starts` holds the
-- first offset to read of each partition. Only an operator makes a new incarnation (meterline log reset, log repartition): a
-- topic that was recreated, or that has another partition count, must not be mistaken for the old one, or its events would be
-- skipped or counted twice. The greatest (incarnation, id) is in force; `id` decides between two made at the same time.
CREATE TABLE IF NOT EXISTS topic_incarnations_v1
(
    topic       String,
    incarnation UInt64,
    id          String,
    partitions  UInt32,
    starts      Array(UInt64),
    reason      String,
    created_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (topic, incarnation, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
