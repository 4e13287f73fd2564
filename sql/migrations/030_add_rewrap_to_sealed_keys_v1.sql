-- When MASTER_KEY is rotated, the same key is sealed again with a greater number: the greatest number is read, and among equal
-- ones the first row.
ALTER TABLE sealed_keys_v1 ADD COLUMN IF NOT EXISTS rewrapped UInt64;
