-- Rejected events are listed newest first, over all logs, but stored by log and offset. The times of each granule show which ones hold
-- the events of a page, so that a page does not read the whole table.
ALTER TABLE rejected_events_v1 ADD INDEX IF NOT EXISTS received received_at TYPE minmax;
