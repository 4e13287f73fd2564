-- What the logs of a topic are. `topic` is cluster/topic; a log is topic/incarnation/partition. The partition count is
-- pinned here, because an event counts only in its project's own partition: murmur2(project_id) mod `partitions`.
-- `starts` holds the offset at which each partition is read first. A new incarnation is made only by an operator
-- (meterline log reset, log repartition): a topic created anew, or with another count, must not be taken for the old one.
-- The greatest (incarnation, id) is in force; the id decides between two that are made at once.
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
