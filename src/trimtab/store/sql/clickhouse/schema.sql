-- name: has_versions
-- Whether any migration was ever run here.
EXISTS TABLE schema_version;

-- name: make_versions
-- Where it is kept how far each database is.
CREATE TABLE IF NOT EXISTS schema_version (number Int64) ENGINE = MergeTree ORDER BY number;

-- name: seen
-- The last migration that this database has seen.
SELECT max(number) FROM schema_version;

-- name: see
-- It has seen one more. Who comes second finds the tables there, and says so again.
INSERT INTO schema_version SELECT ?;
