-- Which shard has which slot (docs/design/shards.md), in a store of several servers. A project's slot is its hash modulo the number of slots.
-- The first server has all maps. The one in force is that with the greatest number whose step is `in force`; before the first one, slot k is
-- on shard k. A map with a greater number belongs to a move that has begun and not ended: until it has, no process may start, because events
-- would be missing or counted twice. The servers of a move have the number of its map too, so a server whose data is older is found.
CREATE TABLE IF NOT EXISTS shard_maps_v1
(
    number     UInt32,
    step       Enum8('copying' = 1, 'switching' = 2, 'in force' = 3),
    shards     UInt32,
    slots      Array(UInt32),
    moved_slot Nullable(UInt32),
    moved_from UInt32,
    moved_to   UInt32,
    written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (number, step)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
