-- "Registered since" is asked by every usage answer of a partnership, and nearly always nobody was: the greatest time of each
-- granule says so without reading one.
ALTER TABLE projects_v1 ADD INDEX IF NOT EXISTS created created_at TYPE minmax;
