-- A recount of raw for a partner's month, per project and metric: the days, their values (the greatest sample of a peak metric,
-- the sum of a cumulative one) and their events. A closing recounts its own month, and each closed month before it in which
-- something was stored since. Everything on a statement is computed from these rows, so that all figures are of one moment.
-- `closing` identifies the attempt: rows of an attempt without a header (statements_v1, below) are never read.
CREATE TABLE IF NOT EXISTS statement_recounts_v1
(
    partner_id String,
    closing    String,
    month      LowCardinality(String),
    metric     LowCardinality(String),
    project_id String,
    days       Array(Date),
    values     Array(Decimal(76, 9)) CODEC(ZSTD(3)),
    events     Array(Int64)
)
ENGINE = MergeTree
ORDER BY (partner_id, closing, month, metric, project_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS statement_recounts_inbox_v1
(
    log        String,
    epoch      UInt64,
    owner      String,
    partner_id String,
    closing    String,
    month      String,
    metric     String,
    project_id String,
    days       Array(Date),
    values     Array(Decimal(76, 9)),
    events     Array(Int64)
)
ENGINE = Null;

-- The fence: a closing whose lease was acquired by another process writes nothing more.
CREATE MATERIALIZED VIEW IF NOT EXISTS statement_recounts_mv_v1 TO statement_recounts_v1 AS
SELECT partner_id, closing, month, metric, project_id, days, values, events
FROM statement_recounts_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;

-- The lines of statements, as billed. The values of one metric add up to what the partner is billed for it: `usage` lines to the
-- month's total, the others to the corrections of the month `for_month`.
--   usage       a project's share of the month: its sum, or for a peak metric its value on the partner's peak day
--   adjustment  the recount of an earlier month, less what has been billed for it; may be negative
--   manual      an adjustment added by an operator
-- Name, status, kind and unit are stored as they were at the time. `entry` identifies a manual line.
CREATE TABLE IF NOT EXISTS statement_lines_v1
(
    partner_id  String,
    closing     String,
    month       LowCardinality(String),
    line        LowCardinality(String),
    for_month   LowCardinality(String),
    project_id  String,
    metric      LowCardinality(String),
    entry       String,
    name        String CODEC(ZSTD(3)),
    status      LowCardinality(String),
    deleted_at  Nullable(DateTime64(3, 'UTC')),
    kind        LowCardinality(String),
    unit        LowCardinality(String),
    value       Decimal(76, 9) CODEC(ZSTD(3)),
    peak_day    Nullable(Date),
    own_max     Nullable(Decimal(76, 9)) CODEC(ZSTD(3)),
    own_max_day Nullable(Date),
    events      Int64,
    reason      String
)
ENGINE = MergeTree
ORDER BY (partner_id, closing, line, for_month, project_id, metric, entry)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS statement_lines_inbox_v1
(
    log         String,
    epoch       UInt64,
    owner       String,
    partner_id  String,
    closing     String,
    month       String,
    line        String,
    for_month   String,
    project_id  String,
    metric      String,
    entry       String,
    name        String,
    status      String,
    deleted_at  Nullable(DateTime64(3, 'UTC')),
    kind        String,
    unit        String,
    value       Decimal(76, 9),
    peak_day    Nullable(Date),
    own_max     Nullable(Decimal(76, 9)),
    own_max_day Nullable(Date),
    events      Int64,
    reason      String
)
ENGINE = Null;

-- The fence: as above.
CREATE MATERIALIZED VIEW IF NOT EXISTS statement_lines_mv_v1 TO statement_lines_v1 AS
SELECT partner_id, closing, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, reason
FROM statement_lines_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;

-- The header of a closed month, and its commit: written last, it says which closing's lines are the statement. There is one per
-- partner and month, because it is written only under a lease that was acquired before the check for an existing header.
-- `sha256` covers the lines as /statements/:month/export?format=ndjson returns them. `months` and `changes` are the closed months
-- and the number of changes (usage_day_changes_v1) up to which each is billed; projects created after `projects_through` are not
-- billed yet. `metrics` is the catalogue at the time: a metric added later must not appear on a closed statement.
CREATE TABLE IF NOT EXISTS statements_v1
(
    partner_id       String,
    month            LowCardinality(String),
    closing          String,
    closed_at        DateTime64(3, 'UTC'),
    closed_by        LowCardinality(String),
    as_of            DateTime64(3, 'UTC'),
    lines            UInt64,
    sha256           String,
    months           Array(String),
    changes          Array(UInt64),
    projects_through DateTime64(3, 'UTC'),
    metrics          Array(Tuple(metric String, kind String, unit String))
)
ENGINE = MergeTree
ORDER BY (partner_id, month)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS statements_inbox_v1
(
    log                 String,
    epoch               UInt64,
    owner               String,
    partner_id          String,
    month               String,
    closing             String,
    closed_ms           Int64,
    closed_by           String,
    as_of_ms            Int64,
    lines               UInt64,
    sha256              String,
    months              Array(String),
    changes             Array(UInt64),
    projects_through_ms Int64,
    metrics             Array(Tuple(metric String, kind String, unit String))
)
ENGINE = Null;

-- The fence: when two processes close one month, only one header is stored.
CREATE MATERIALIZED VIEW IF NOT EXISTS statements_mv_v1 TO statements_v1 AS
SELECT
    partner_id, month, closing,
    fromUnixTimestamp64Milli(closed_ms, 'UTC') AS closed_at,
    closed_by,
    fromUnixTimestamp64Milli(as_of_ms, 'UTC') AS as_of,
    lines, sha256, months, changes,
    fromUnixTimestamp64Milli(projects_through_ms, 'UTC') AS projects_through,
    metrics
FROM statements_inbox_v1
WHERE throwIf(
    (log, epoch, owner) NOT IN (SELECT log, epoch, owner FROM log_owners_v1 ORDER BY log, epoch DESC, owner DESC LIMIT 1 BY log),
    'a newer owner has taken this log') = 0;
