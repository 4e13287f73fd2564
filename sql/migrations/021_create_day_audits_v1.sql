-- The results of audits, of each day the newest one. `changes` is the number of changes (usage_day_changes_v1) that the day had
-- when the audit began; a day with another number now is audited again. `differences` must be 0; otherwise a bill is wrong.
CREATE TABLE IF NOT EXISTS day_audits_v1
(
    usage_date         Date,
    audited_at         DateTime64(3, 'UTC'),
    changes            UInt64,
    as_of              DateTime64(3, 'UTC'),
    accepted_events    UInt64,
    raw_events         UInt64,
    rollup_events      Int64,
    partnership_events Int64,
    differences        UInt64
)
ENGINE = ReplacingMergeTree(audited_at)
ORDER BY usage_date
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
