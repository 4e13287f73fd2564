-- A key of the service is created and sealed anew under the lease of the registry. Before, two processes that opened a new
-- database at the same time each inserted a pepper and read back the one that sorts first. The time a row is sorted by is that at
-- which its insert began, so one that began first and landed last could come after the other process had read.
CREATE TABLE IF NOT EXISTS sealed_keys_inbox_v1
(
    log       String,
    epoch     UInt64,
    owner     String,
    name      String,
    sealed    String,
    rewrapped UInt64
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS sealed_keys_mv_v1 TO sealed_keys_v1 AS
SELECT name, sealed, rewrapped
FROM sealed_keys_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT name, newest.1, newest.2 FROM (SELECT name, max(newest) AS newest FROM leases_v1 GROUP BY name)),
    'a newer owner has taken this log') = 0;
