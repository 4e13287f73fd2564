-- The staging tables of exports that are not exactly one closed statement: the rows must be of one moment, and the manifest must
-- match them, while usage keeps arriving. Each export has its own partition, which is dropped when it ends; the partition of
-- a killed process is dropped by a later export. Nothing is ever billed from these tables.
-- The first table holds what the rollup held of a project's month, read once: the days and their values, in order.
CREATE TABLE IF NOT EXISTS export_days_v1
(
    export     String,
    partner_id String,
    month      LowCardinality(String),
    metric     LowCardinality(String),
    project_id String,
    days       Array(Date),
    values     Array(Decimal(76, 9)) CODEC(ZSTD(1)),
    events     Int64
)
ENGINE = MergeTree
PARTITION BY export
ORDER BY (partner_id, month, metric, project_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The second table holds the rows, like statement_lines_v1. `place` is the kind of line as a number, so that rows are stored in
-- canonical order and read without sorting. `days` and `values` are set for cumulative metrics, and only if the export has days.
CREATE TABLE IF NOT EXISTS export_rows_v1
(
    export      String,
    partner_id  String,
    place       UInt8,
    month       LowCardinality(String),
    line        LowCardinality(String),
    for_month   LowCardinality(String),
    project_id  String,
    metric      LowCardinality(String),
    entry       String,
    name        String CODEC(ZSTD(1)),
    status      LowCardinality(String),
    deleted_at  Nullable(DateTime64(3, 'UTC')),
    kind        LowCardinality(String),
    unit        LowCardinality(String),
    value       Decimal(76, 9) CODEC(ZSTD(1)),
    peak_day    Nullable(Date),
    own_max     Nullable(Decimal(76, 9)) CODEC(ZSTD(1)),
    own_max_day Nullable(Date),
    events      Int64,
    reason      String,
    days        Array(Date),
    values      Array(Decimal(76, 9)) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY export
ORDER BY (partner_id, place, for_month, project_id, metric, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
