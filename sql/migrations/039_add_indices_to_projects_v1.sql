-- A registration looks for a project of the same name, and the limit of the free plan for the active projects of an account. The
-- table is sorted by id, so without an index each of these would read these columns of all projects. Parts that exist already get
-- the indices when they are merged; until then they are read as before.
ALTER TABLE projects_v1 ADD INDEX IF NOT EXISTS name name TYPE bloom_filter;

ALTER TABLE projects_v1 ADD INDEX IF NOT EXISTS account account_id TYPE bloom_filter;
