-- name: alone
-- Wait until no other process migrates; the lock ends with the transaction.
SELECT pg_advisory_xact_lock(%s);

-- name: has_versions
-- Whether any migration was ever run here.
SELECT to_regclass('schema_version') IS NOT NULL;

-- name: make_versions
-- Where it is kept how far each database is.
CREATE TABLE IF NOT EXISTS schema_version (database TEXT PRIMARY KEY, number INTEGER NOT NULL);

-- name: seen
-- The last migration that a database has seen.
SELECT coalesce(max(number), 0) FROM schema_version WHERE database = %s;

-- name: see
-- A database has seen one more.
INSERT INTO schema_version (database, number) VALUES (%s, %s)
ON CONFLICT (database) DO UPDATE SET number = excluded.number;
