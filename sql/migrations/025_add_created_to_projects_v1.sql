-- Every usage answer of a partnership looks for projects registered since a time, and nearly always there are none. The greatest
-- time of each granule shows that without reading one.
ALTER TABLE projects_v1 ADD INDEX IF NOT EXISTS created created_at TYPE minmax;
