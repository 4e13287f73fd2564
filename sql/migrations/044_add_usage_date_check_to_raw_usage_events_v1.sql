-- The last guard against a day that Date cannot hold: it wraps around silently, and usage of 2200-12-31 would be billed on
-- 2021-07-26. Validation rejects such events (metering/storable-days.ts); what passes it by a fault is refused here, as the data of
-- one event, and kept as refused_by_store. Rows that are stored already are not checked.
ALTER TABLE raw_usage_events_v1 ADD CONSTRAINT IF NOT EXISTS usage_date_is_day_of_timestamp CHECK toDate32(timestamp) = usage_date;
