-- The servers over which the event logs are distributed (docs/design/shards.md), in a store of several. Each server has a row of its own
-- place, and the first server has the rows of all. They are written at the first start, and never change: a server at another place would
-- have the logs of others, and events would count on two servers, or be missing in a total. A store of one server has no row.
CREATE TABLE IF NOT EXISTS shards_v1
(
    shard        UInt32,
    shards       UInt32,
    installation String,
    pinned_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (shard, shards, installation)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The days with their number of changes, for readers. FINAL costs half of what GROUP BY does, because there are so few rows. With several
-- shards, the coordinating database has a view of this name that adds up the changes of all of them: otherwise a day that changed on one
-- shard would be billed from rows that were materialized before.
CREATE VIEW IF NOT EXISTS usage_days_v1 AS
SELECT usage_date, changes, kept FROM usage_day_changes_v1 FINAL;
