-- The source in force: `http`, or one topic as cluster/topic. Only its logs are counted. Two sources that are counted at the same
-- time may hold the same event, which neither knows of the other, and it would be billed twice. Each switch writes two rows under
-- the lease `source`: first that it switches (in_force = 0), when no source is in force, and at its end the new one (in_force = 1).
-- The greatest (epoch, owner, in_force) is valid.
CREATE TABLE IF NOT EXISTS sources_v1
(
    epoch      UInt64,
    owner      String,
    in_force   UInt8,
    source     String,
    changed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (epoch, owner, in_force)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS sources_inbox_v1
(
    log      String,
    epoch    UInt64,
    owner    String,
    in_force UInt8,
    source   String
)
ENGINE = Null;

-- The fence: of two switches, or of two processes that claim an empty store for their sources, the later one decides.
CREATE MATERIALIZED VIEW IF NOT EXISTS sources_mv_v1 TO sources_v1 AS
SELECT epoch, owner, in_force, source, now64(3) AS changed_at
FROM sources_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;

-- A store of before: the source that was used last, by the heartbeats of its logs or by the first read of its topic. Its epoch is
-- below that of every switch. The log of a partition is named topic/incarnation/partition.
INSERT INTO sources_v1 (epoch, owner, in_force, source, changed_at)
SELECT 0, '', 1, argMax(source, used_at), now64(3) FROM
(
    SELECT replaceRegexpOne(log, '/[0-9]+/[0-9]+$', '') AS source, newest.3 AS used_at
    FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v1 GROUP BY log)
    UNION ALL
    SELECT topic, created_at FROM topic_incarnations_v1
)
HAVING count() > 0;
