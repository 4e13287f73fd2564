-- When MASTER_KEY is exchanged the same key is sealed anew: the greatest number is read, and among equal ones the first.
ALTER TABLE sealed_keys_v1 ADD COLUMN IF NOT EXISTS rewrapped UInt64;
