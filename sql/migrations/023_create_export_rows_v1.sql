-- Where an export that is not simply one closed statement is put together: its rows must be of one moment, and its manifest
-- must fit them, while usage goes on arriving. Each export has a partition of its own, dropped when it ends; what a killed
-- process left is dropped by a later export. Nothing is ever billed from these tables.
-- First what the rollup held of a project's month, read once: the days and their values, in order.
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

-- Then the rows, like statement_lines_v1. `place` is the kind of line as a number, so that the rows lie in canonical order and
-- are read without sorting. `days` and `values` are those of a cumulative metric, and only where the export wants days.
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
